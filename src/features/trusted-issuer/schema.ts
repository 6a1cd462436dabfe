import { z } from 'zod';

/** Algorithms that a token of another issuer may be signed with: asymmetric ones (ASVS 9.1.2). */
export const trustedAlgs = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** Seconds that a token of another issuer may be old at most, however it is configured. */
const OLDEST_TOKEN = 24 * 3_600;

/** Keys of one issuer at most. */
export const MOST_KEYS = 100;

/** https; http on this machine only, for development: the outbound guard refuses it elsewhere. */
function isSafe(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal);
}

const address = z
  .string()
  .max(2_000)
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII')
  .refine(isSafe, 'must be an https address without credentials or fragment');

/** Whether a text can be an issuer at all; asked before it reaches the database. */
export const isAddress = (value: string): boolean => address.safeParse(value).success;

const claimName = z.string().regex(/^[\w.:/-]{1,100}$/, 'must be the name of a claim');

/** Members of a JWK that no public key has (RFC 7518 6). */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

export const publicJwk = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']) })
  .refine((jwk) => !PRIVATE.some((name) => Object.hasOwn(jwk, name)), 'must be a public key');

/** A set of public keys (RFC 7517 5). */
export const publicJwks = z.object({ keys: z.array(publicJwk).min(1).max(MOST_KEYS) });

export const newTrustedIssuer = z
  .strictObject({
    tenantId: z.uuid(),
    issuer: address.describe('Its `iss`, to the letter'),
    jwksUri: address.optional().describe('Where its keys are'),
    jwks: publicJwks.optional().describe('Its keys, where they are not fetched'),
    audience: z.string().min(1).max(500).describe('What `aud` must name'),
    algs: z
      .array(z.enum(trustedAlgs))
      .min(1)
      .default(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']),
    subjectClaim: claimName.default('sub').describe('The claim that names the subject for good'),
    usernameClaim: claimName
      .default('preferred_username')
      .describe('The claim to link by where `linkBy` is `username`'),
    linkBy: z
      .enum(['none', 'email', 'username'])
      .default('none')
      .describe('How a subject that is seen for the first time finds its user'),
    maxTokenAge: z
      .int()
      .min(10)
      .max(OLDEST_TOKEN)
      .default(3_600)
      .describe('Seconds since `iat`, at most'),
  })
  .refine((value) => (value.jwksUri === undefined) !== (value.jwks === undefined), {
    error: 'give either jwksUri or jwks',
    path: ['jwksUri'],
  });
export type NewTrustedIssuer = z.input<typeof newTrustedIssuer>;

export interface TrustedIssuer {
  id: string;
  tenantId: string;
  issuer: string;
  jwksUri: string | null;
  jwks: z.output<typeof publicJwks> | null;
  audience: string;
  algs: string[];
  subjectClaim: string;
  usernameClaim: string;
  linkBy: 'none' | 'email' | 'username';
  maxTokenAge: number;
  isDisabled: boolean;
  createdAt: Date;
}

export interface ExternalIdentity {
  id: string;
  tenantId: string;
  userId: string;
  issuer: string;
  subject: string;
  linkedBy: 'administrator' | 'email' | 'username';
  createdAt: Date;
}
