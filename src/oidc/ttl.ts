import type { Configuration } from 'oidc-provider';
import type { Config } from '../config.ts';

/** Seconds that a started interaction waits for the person. */
const INTERACTION = 3_600;

/** Seconds that an authorization code lives (RFC 9700 and ASVS 10.4.3: a minute). */
const AUTHORIZATION_CODE = 60;

/** Seconds that a grant outlives its last refresh token at most. */
const GRANT = 14 * 24 * 3_600;

/** Lifetimes of everything that the engine issues, in seconds. */
export function createTtl(config: Config): NonNullable<Configuration['ttl']> {
  return {
    AccessToken: config.ACCESS_TOKEN_TTL,
    ClientCredentials: config.SERVICE_TOKEN_TTL,
    IdToken: config.ID_TOKEN_TTL,
    AuthorizationCode: AUTHORIZATION_CODE,
    Interaction: INTERACTION,
    Grant: Math.max(GRANT, config.REFRESH_TOKEN_TTL),
    /** Rotation passes on what is left: the lifetime is absolute (ASVS 10.4.8). */
    RefreshToken: (ctx) => {
      const rotated = ctx.oidc.entities.RotatedRefreshToken;
      return rotated ? Math.max(1, rotated.remainingTTL) : config.REFRESH_TOKEN_TTL;
    },
    Session: (_ctx, session) => {
      if (!session.loginTs) return config.SESSION_IDLE_TTL;
      const end = session.loginTs + config.SESSION_ABSOLUTE_TTL - Math.floor(Date.now() / 1000);
      return Math.max(1, Math.min(config.SESSION_IDLE_TTL, end));
    },
  };
}
