import type { Client, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { Config } from '../config.ts';
import { LONGEST_REFRESH_TTL } from '../kernel/lifetimes.ts';
import { readExtensions } from './clients/extensions.ts';

/** Seconds that a started interaction waits for the person. */
const INTERACTION = 3_600;

/** Seconds that an authorization code lives (RFC 9700 and ASVS 10.4.3: a minute). */
const AUTHORIZATION_CODE = 60;

/** Seconds that a grant outlives its last refresh token at most. */
const GRANT = 14 * 24 * 3_600;

interface ResourceToken {
  resourceServer?: { accessTokenTTL?: number | undefined } | undefined;
}

/** A client's own lifetime comes first, then that of the resource, then the deployment's. */
const accessTokenTtl = (token: ResourceToken, client: Client, fallback: number): number =>
  readExtensions(client).accessTokenTtl ?? token.resourceServer?.accessTokenTTL ?? fallback;

/** Seconds that the refresh tokens of a client live, from the first to the last. */
const refreshTokenTtl = (client: Client, config: Config): number =>
  readExtensions(client).refreshTokenTtl ?? config.REFRESH_TOKEN_TTL;

/** A grant must outlive the refresh tokens that are issued under it. */
function grantTtl(ctx: KoaContextWithOIDC | undefined, config: Config): number {
  const client = ctx?.oidc.client;
  // A consent is saved outside the engine's requests, where the client is not at hand.
  const refresh = client ? refreshTokenTtl(client, config) : LONGEST_REFRESH_TTL;
  return Math.max(GRANT, config.REFRESH_TOKEN_TTL, refresh);
}
/** Seconds that a device waits for its person (RFC 8628 3.2), and a CIBA client for its. */
const AWAITED = 600;

/** Seconds that a request lives which a client wants sooner over (CIBA Core 7.1). */
const requestedExpiry = (value: unknown): number =>
  Math.min(AWAITED, Math.max(1, Number(value) || AWAITED));

/** Lifetimes of everything that the engine issues, in seconds. */
export function createTtl(config: Config): NonNullable<Configuration['ttl']> {
  return {
    AccessToken: (_ctx, token, client) => accessTokenTtl(token, client, config.ACCESS_TOKEN_TTL),
    ClientCredentials: (_ctx, token, client) =>
      accessTokenTtl(token, client, config.SERVICE_TOKEN_TTL),
    IdToken: (_ctx, _token, client) => readExtensions(client).idTokenTtl ?? config.ID_TOKEN_TTL,
    AuthorizationCode: AUTHORIZATION_CODE,
    BackchannelAuthenticationRequest: (ctx) => requestedExpiry(ctx.oidc.params?.requested_expiry),
    DeviceCode: AWAITED,
    Interaction: INTERACTION,
    Grant: (ctx) => grantTtl(ctx, config),
    /** Rotation passes on what is left: the lifetime is absolute (ASVS 10.4.8). */
    RefreshToken: (ctx, _token, client) => {
      const rotated = ctx.oidc.entities.RotatedRefreshToken;
      return rotated ? Math.max(1, rotated.remainingTTL) : refreshTokenTtl(client, config);
    },
    Session: (_ctx, session) => {
      if (!session.loginTs) return config.SESSION_IDLE_TTL;
      const end = session.loginTs + config.SESSION_ABSOLUTE_TTL - Math.floor(Date.now() / 1000);
      return Math.max(1, Math.min(config.SESSION_IDLE_TTL, end));
    },
  };
}
