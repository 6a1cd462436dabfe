import { AppError, type AppErrorOptions } from '../errors.ts';

/** What a `WWW-Authenticate` header says (RFC 6750 3, RFC 9449 7.1, RFC 9470 3). */
export interface Challenge {
  /** Default: Bearer. */
  scheme?: 'Bearer' | 'DPoP' | 'Basic';
  error?:
    | 'invalid_request'
    | 'invalid_token'
    | 'insufficient_scope'
    | 'insufficient_user_authentication'
    | 'invalid_dpop_proof'
    | 'use_dpop_nonce';
  description?: string;
  scope?: string;
  /** Step-up (RFC 9470): authentication context classes, any of which would do. */
  acrValues?: readonly string[];
  /** Step-up (RFC 9470): how fresh the authentication must be, seconds. */
  maxAge?: number;
  /** JWS algorithms accepted in DPoP proofs (RFC 9449 7.1). */
  algs?: readonly string[];
}

/** Keeps what RFC 6750 3 allows in these parameters; the rest would end the quoted string. */
const quoted = (value: string): string =>
  `"${value.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '')}"`;

/** The value of `WWW-Authenticate` for a challenge. */
export function formatChallenge(challenge: Challenge): string {
  const parameters: [string, string | undefined][] = [
    ['error', challenge.error],
    ['error_description', challenge.description],
    ['scope', challenge.scope],
    ['acr_values', challenge.acrValues?.join(' ')],
    ['max_age', challenge.maxAge?.toString()],
    ['algs', challenge.algs?.join(' ')],
  ];
  const rest = parameters
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `, ${name}=${quoted(value)}`);
  return `${challenge.scheme ?? 'Bearer'} realm="gatehouse"${rest.join('')}`;
}

/** A refusal that tells the client by `WWW-Authenticate` which credential would do. */
export class ChallengeError extends AppError {
  readonly challenge: Challenge;
  /** Other ways that would do, each a challenge of its own (RFC 9110 11.6.1). */
  readonly alternatives: readonly Challenge[];
  /** Further headers of the answer, such as `DPoP-Nonce` (RFC 9449 8). */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: 'IDENT_VALIDATION' | 'IDENT_UNAUTHENTICATED' | 'IDENT_FORBIDDEN',
    challenge: Challenge,
    options: AppErrorOptions & {
      headers?: Readonly<Record<string, string>>;
      alternatives?: readonly Challenge[];
    } = {},
  ) {
    super(code, options);
    this.name = 'ChallengeError';
    this.challenge = challenge;
    this.alternatives = options.alternatives ?? [];
    this.headers = options.headers ?? {};
  }
}

/** The token is malformed, expired, revoked or unknown (RFC 6750 3.1). */
export const invalidToken = (scheme: 'Bearer' | 'DPoP' = 'Bearer'): ChallengeError =>
  new ChallengeError('IDENT_UNAUTHENTICATED', { scheme, error: 'invalid_token' });

/** The person must authenticate again, or more strongly (RFC 9470 3). */
export const stepUpRequired = (
  { acrValues, maxAge }: { acrValues?: readonly string[]; maxAge?: number },
  scheme: 'Bearer' | 'DPoP' = 'Bearer',
): ChallengeError =>
  new ChallengeError(
    'IDENT_UNAUTHENTICATED',
    {
      ...{ scheme, error: 'insufficient_user_authentication' },
      ...(acrValues ? { acrValues } : {}),
      ...(maxAge === undefined ? {} : { maxAge }),
    },
    { detail: 'A stronger or more recent authentication is required' },
  );
