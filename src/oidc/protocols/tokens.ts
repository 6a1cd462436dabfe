import type { ProviderDeps } from '../provider.ts';
import { createResourceFinder, platformResource } from '../resources.ts';
import type { Features } from './index.ts';

/**
 * Whether a token's client and person may still hold tokens, and the person is
 * still of the tenant that it acts in; the engine looks at its grant only.
 */
async function isStillHeld(
  token: { clientId?: string | undefined; accountId?: string | undefined; extra?: unknown },
  { clients, findAccount }: Pick<ProviderDeps, 'clients' | 'findAccount'>,
): Promise<boolean> {
  const { clientId, accountId } = token;
  if (clientId === undefined || !(await clients.find(clientId))) return false;
  if (accountId === undefined) return true;
  const account = await findAccount(accountId);
  const { tid } = (token.extra ?? {}) as { tid?: string };
  return account !== undefined && (tid === undefined || account.tenantIds.includes(tid));
}

/** Which tokens there are, for which resource, and what is told of them. */
export function tokens(deps: ProviderDeps) {
  const { config } = deps;
  const resource = platformResource(config.ISSUER);
  const findResource = createResourceFinder(deps);
  return {
    clientCredentials: { enabled: true },
    introspection: {
      enabled: true,
      // A public client proves nothing, so it may ask about its own tokens only.
      allowedPolicy: async (_ctx, client, token) =>
        (client.clientAuthMethod !== 'none' || token.clientId === client.clientId) &&
        (await isStillHeld(token, deps)),
    },
    jwtIntrospection: { enabled: true },
    jwtUserinfo: { enabled: true },
    encryption: { enabled: true },
    revocation: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
    },
    externalSigningSupport: { enabled: true, ack: 'experimental-01' },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) =>
        oneOf ?? (config.ACCESS_TOKEN_FORMAT === 'jwt' ? resource : []),
      getResourceServerInfo: (_ctx, indicator, client) => findResource(indicator, client),
      useGrantedResource: () => true,
    },
  } satisfies Features;
}
