import { AsyncLocalStorage } from 'node:async_hooks';
import { createHmac } from 'node:crypto';
import { type Client, type Configuration, Provider } from 'oidc-provider';
import { isUuid } from '../kernel/ids.ts';
import type { AccessTokenClaims } from './access-tokens.ts';

/**
 * Subject identifiers that differ from sector to sector (OpenID Connect Core 8.1),
 * so that clients cannot compare whom they know.
 */

/** Set while metadata are validated for registration outside of a request of the engine. */
const registering = new AsyncLocalStorage<true>();

/** Runs a validation of metadata that are about to be registered. */
export const whileRegistering = <T>(run: () => T): T => registering.run(true, run);

const REGISTRATION_ROUTES = new Set(['registration', 'client_update']);

/**
 * Whether the sector's document is to be read: when a client is registered or
 * changed. Upstream would read it again whenever it makes a client, so that a
 * sector's server that is down would take its clients with it.
 */
const isRegistering = (): boolean =>
  registering.getStore() === true || REGISTRATION_ROUTES.has(Provider.ctx?.oidc.route ?? '');

/**
 * The engine's options for subject identifiers.
 * @param secret 32 bytes that are never changed: with it, each person would
 *   become a stranger to each pairwise client
 */
export const pairwiseOptions = (secret: Buffer) =>
  ({
    subjectTypes: ['public', 'pairwise'],
    sectorIdentifierUriValidate: isRegistering,
    async pairwiseIdentifier(_ctx, accountId, client) {
      const { sectorIdentifier } = client as Client & { sectorIdentifier: string };
      // Neither part can hold a NUL, so that no two pairs make one text.
      const text = `${sectorIdentifier}\0${accountId}`;
      return createHmac('sha256', secret).update(text).digest('base64url');
    },
  }) satisfies Configuration;

/**
 * Whose access token it is. A pairwise `sub` tells it to the token's client
 * only; here the token's grant does.
 * @param findGrant a live grant by its id
 * @returns undefined for a token of a client, or of a grant that is gone
 */
export async function accountIdOf(
  claims: Pick<AccessTokenClaims, 'sub' | 'client_id'>,
  grantId: string | undefined,
  findGrant: (id: string) => Promise<{ accountId?: string | undefined } | undefined>,
): Promise<string | undefined> {
  if (claims.sub === claims.client_id) return undefined;
  if (isUuid(claims.sub)) return claims.sub;
  return grantId === undefined ? undefined : (await findGrant(grantId))?.accountId;
}
