import type { Sealer } from '../../infra/sealing.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import { newSecret } from '../../kernel/ids.ts';
import type { ClientMetadata } from './schema.ts';

/** Methods for which the engine needs the clear secret (OpenID Connect Core 9, 10.1). */
const SECRET_AS_KEY = new Set(['client_secret_jwt']);

/** Methods without a secret. */
const WITHOUT_SECRET = new Set([
  'none',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
]);

/** A stand-in for a hashed secret, so that the engine sees that there is one. */
const HASHED_SECRET = 'kept-as-hash';

/** Fewest characters of a secret that somebody else chose: its hash alone must not tell it. */
const SHORTEST_SECRET = 32;

/** A secret at rest: its hash, and sealed beside it where it is used as a key. */
export interface SecretAtRest {
  secretHash: Buffer | null;
  secretSealed: Buffer | null;
}

export const usesSecret = (metadata: ClientMetadata): boolean =>
  !WITHOUT_SECRET.has(String(metadata.token_endpoint_auth_method ?? 'client_secret_basic'));

/** Whether some setting makes the secret a key (HS*, symmetric encryption), not just a password. */
export const needsClearSecret = (metadata: ClientMetadata): boolean =>
  SECRET_AS_KEY.has(String(metadata.token_endpoint_auth_method)) ||
  Object.entries(metadata).some(
    ([name, value]) =>
      name.endsWith('_alg') && typeof value === 'string' && /^(HS|dir$|A\d+(GCM)?KW$)/.test(value),
  );

/**
 * The secret of a new client: the one given, else a new one. It is kept as a
 * plain SHA-256, which guards only what nobody can guess.
 * @throws AppError IDENT_VALIDATION when the given one is too short or no text
 */
export function chooseSecret(given?: unknown): string {
  if (given === undefined) return newSecret();
  if (typeof given === 'string' && given.length >= SHORTEST_SECRET) return given;
  throw new AppError('IDENT_VALIDATION', {
    errors: [
      {
        path: 'metadata.client_secret',
        message: `must be a text of at least ${SHORTEST_SECRET} characters, or left out`,
      },
    ],
  });
}

const sealedAs = (clientId: string): string => `clients:${clientId}`;

/** A client that has no secret before its present one. */
export const NO_PREVIOUS = {
  previousHash: null,
  previousSealed: null,
  previousSecretExpiresAt: null,
};

/**
 * How the secret of a client with these metadata is kept; null: it has none.
 * @param options.isTold whether the client may ask for it again: one that
 *   registered itself may (RFC 7592 3)
 */
export const keepSecret = (
  sealer: Sealer,
  metadata: ClientMetadata,
  secret: string | null,
  { isTold = false }: { isTold?: boolean } = {},
): SecretAtRest => ({
  secretHash: secret === null ? null : sha256(secret),
  secretSealed:
    secret !== null && (isTold || needsClearSecret(metadata))
      ? sealer.seal(secret, sealedAs(metadata.client_id))
      : null,
});

const openSecret = (sealer: Sealer, clientId: string, sealed: Buffer): string =>
  sealer.open(sealed, sealedAs(clientId)).toString();

/** Metadata for the engine, with the secret as that client's methods need it. */
export function withSecret(
  sealer: Sealer,
  metadata: ClientMetadata,
  { secretSealed }: SecretAtRest,
): ClientMetadata {
  if (!usesSecret(metadata)) return metadata;
  const secret = secretSealed
    ? openSecret(sealer, metadata.client_id, secretSealed)
    : HASHED_SECRET;
  return { ...metadata, client_secret: secret };
}

/** The secret before the present one, where it is a key; null otherwise. */
export const openPrevious = (
  sealer: Sealer,
  clientId: string,
  previousSealed: Buffer | null,
): string | null => (previousSealed ? openSecret(sealer, clientId, previousSealed) : null);
