import { type Client, type Configuration, errors } from 'oidc-provider';
import type { Config } from '../../config.ts';
import type { ClientMetadata } from '../../features/client/index.ts';
import { LONGEST_REFRESH_TTL, LONGEST_TOKEN_TTL, SHORTEST_TTL } from '../../kernel/lifetimes.ts';
import { type SigningAlg, signingAlgs } from '../keys/signing-keys.ts';

/**
 * Registration metadata of ours (RFC 7591 2 lets a server define more), as one
 * table: how a value is checked, and whether only an operator may choose it.
 */

/** Seconds within which a used refresh token may still give its successor, at most. */
export const LONGEST_REUSE_GRACE = 60;

type Lifetimes = Pick<Config, 'ACCESS_TOKEN_TTL' | 'ID_TOKEN_TTL' | 'REFRESH_TOKEN_TTL'>;

interface Extension {
  /** @returns what is wrong with a value that is there, as the words after its name */
  check(value: unknown, metadata: Record<string, unknown>): string | undefined;
  /** Whether a valid value is more than a client that registers itself may have. */
  isForOperators?(value: unknown, deployment: Lifetimes): boolean;
}

const isInteger = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;

const seconds = (min: number, max: number) => (value: unknown) =>
  isInteger(value, min, max)
    ? undefined
    : `must be a whole number of seconds between ${min} and ${max}`;

const boolean = (value: unknown) =>
  typeof value === 'boolean' ? undefined : 'must be true or false';

const oneOf = (values: readonly string[]) => (value: unknown) =>
  values.includes(String(value)) && typeof value === 'string'
    ? undefined
    : `must be ${values.join(' or ')}`;

/** A client that can keep no secret has nothing but PKCE against a stolen code (RFC 9700 2.1.1). */
function checkRequirePkce(value: unknown, metadata: Record<string, unknown>): string | undefined {
  if (value !== false) return boolean(value);
  if (metadata.token_endpoint_auth_method === 'none') return 'cannot be false for a public client';
  return metadata.profile === undefined ? undefined : 'cannot be false with a profile';
}

/** Addresses of request objects at most, and characters of each (RFC 9101 5.2). */
const MOST_REQUEST_URIS = 10;
const LONGEST_REQUEST_URI = 512;

const isRequestUri = (value: unknown): boolean =>
  typeof value === 'string' &&
  value.length <= LONGEST_REQUEST_URI &&
  URL.parse(value)?.protocol === 'https:';

const checkRequestUris = (value: unknown) =>
  Array.isArray(value) && value.length <= MOST_REQUEST_URIS && value.every(isRequestUri)
    ? undefined
    : `must be at most ${MOST_REQUEST_URIS} https addresses of ${LONGEST_REQUEST_URI} characters`;

const extensions = {
  access_token_ttl: {
    check: seconds(SHORTEST_TTL, LONGEST_TOKEN_TTL),
    isForOperators: (value, { ACCESS_TOKEN_TTL }) => Number(value) > ACCESS_TOKEN_TTL,
  },
  id_token_ttl: {
    check: seconds(SHORTEST_TTL, LONGEST_TOKEN_TTL),
    isForOperators: (value, { ID_TOKEN_TTL }) => Number(value) > ID_TOKEN_TTL,
  },
  refresh_token_ttl: {
    check: seconds(SHORTEST_TTL, LONGEST_REFRESH_TTL),
    isForOperators: (value, { REFRESH_TOKEN_TTL }) => Number(value) > REFRESH_TOKEN_TTL,
  },
  refresh_token_reuse_grace: {
    check: seconds(0, LONGEST_REUSE_GRACE),
    isForOperators: (value) => value !== 0,
  },
  access_token_signed_response_alg: { check: oneOf(signingAlgs) },
  require_pkce: {
    check: checkRequirePkce,
    isForOperators: (value) => value === false,
  },
  request_uris: { check: checkRequestUris },
  profile: { check: oneOf(['fapi2']) },
  may_impersonate: {
    check: boolean,
    isForOperators: (value) => value === true,
  },
} satisfies Record<string, Extension>;

const table: ReadonlyMap<string, Extension> = new Map(Object.entries(extensions));

/** The engine's option for metadata of ours; its errors begin with the member that is wrong. */
export const extraClientMetadata = {
  properties: [...table.keys()],
  validator(_ctx, name, value, metadata) {
    const problem =
      value === undefined ? undefined : table.get(name)?.check(value, { ...metadata });
    if (problem) throw new errors.InvalidClientMetadata(`${name} ${problem}`);
  },
} satisfies Configuration['extraClientMetadata'];

/**
 * The members whose values only an operator may give a client: they weaken it,
 * let it act for others, or outlast what the deployment grants by itself.
 *
 * @param metadata values that the engine has found valid
 */
export const findOperatorOnly = (
  metadata: ClientMetadata | Record<string, unknown>,
  deployment: Lifetimes,
): string[] =>
  [...table]
    .filter(([name, { isForOperators }]) => {
      const value = (metadata as Record<string, unknown>)[name];
      return value !== undefined && isForOperators?.(value, deployment);
    })
    .map(([name]) => name);

/** The settings of a client; undefined where the deployment's or the resource's hold. */
export interface ClientExtensions {
  /** Seconds. */
  accessTokenTtl: number | undefined;
  /** Seconds. */
  idTokenTtl: number | undefined;
  /** Seconds from the first refresh token of a sign-in to the end of the last. */
  refreshTokenTtl: number | undefined;
  /** Seconds within which a used refresh token gives its successor again. */
  refreshTokenReuseGrace: number;
  accessTokenAlg: SigningAlg | undefined;
  requirePkce: boolean;
  profile: 'fapi2' | undefined;
  /** Whether token exchange may give it tokens without an actor (RFC 8693 1.1). */
  mayImpersonate: boolean;
}

/** What a client of the engine was registered with; the engine has validated it. */
export function readExtensions(client: Client): ClientExtensions {
  const metadata = client as Record<string, unknown>;
  return {
    accessTokenTtl: metadata.access_token_ttl as number | undefined,
    idTokenTtl: metadata.id_token_ttl as number | undefined,
    refreshTokenTtl: metadata.refresh_token_ttl as number | undefined,
    refreshTokenReuseGrace: (metadata.refresh_token_reuse_grace as number | undefined) ?? 0,
    accessTokenAlg: metadata.access_token_signed_response_alg as SigningAlg | undefined,
    requirePkce: metadata.require_pkce !== false,
    profile: metadata.profile as 'fapi2' | undefined,
    mayImpersonate: metadata.may_impersonate === true,
  };
}
