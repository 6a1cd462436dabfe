import { type Client, errors, type ResourceServer } from 'oidc-provider';
import type { ResourceServer as StoredResourceServer } from '../features/resource-server/index.ts';
import { readExtensions } from './clients/extensions.ts';
import type { ProviderDeps } from './provider.ts';

/**
 * Scopes of the platform's own API: `tenant:{resource}:{action}`. A client gets
 * those that its registration names, and no others.
 */
export const platformScopes = ['users', 'clients', 'sessions', 'audit'].flatMap((resource) => [
  `tenant:${resource}:read`,
  `tenant:${resource}:write`,
]);

export const openidScopes = ['openid', 'offline_access', 'profile', 'email', 'phone'];

/** The identifier (RFC 8707) and audience of the platform's own resource server. */
export const platformResource = (issuer: string): string => `${issuer}/api`;

/** Of these scopes those that a client's registration names; without `scope` it has none of them. */
function registeredOf(client: Client, scopes: readonly string[]): string[] {
  const registered = new Set(client.scope?.split(' '));
  return scopes.filter((scope) => registered.has(scope));
}

/**
 * The platform's own. The scopes of OpenID Connect are among its scopes, so that
 * its token opens userinfo as well.
 */
const platformInfo = (audience: string, client: Client, defaultAlg: string): ResourceServer => ({
  scope: [...openidScopes, ...registeredOf(client, platformScopes)].join(' '),
  audience,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: readExtensions(client).accessTokenAlg ?? defaultAlg } } as never,
});

/** An operator's; what the client was registered with goes before what the resource asks for. */
function storedInfo(
  server: StoredResourceServer,
  client: Client,
  defaultAlg: string,
): ResourceServer {
  const alg = readExtensions(client).accessTokenAlg ?? server.signingAlg ?? defaultAlg;
  const scopes = server.scopes.map(({ name }) => name);
  return {
    scope: registeredOf(client, scopes).join(' '),
    audience: server.audience,
    accessTokenFormat: server.format,
    ...(server.accessTokenTtl === null ? {} : { accessTokenTTL: server.accessTokenTtl }),
    ...(server.format === 'jwt' ? { jwt: { sign: { alg } } as never } : {}),
  };
}

/**
 * Finds what a client may have of the resource server behind an indicator. A
 * tenant's is for its own clients, one of the platform for everyone's; to others
 * it is as unknown as one that does not exist.
 * The finder throws InvalidTarget for an indicator that is not known (RFC 8707 2).
 */
export function createResourceFinder(
  deps: Pick<ProviderDeps, 'config' | 'resourceServers'> & {
    clients: Pick<ProviderDeps['clients'], 'find'>;
  },
) {
  const { ISSUER, SIGNING_ALG } = deps.config;
  const platform = platformResource(ISSUER);
  return async (indicator: string, client: Client): Promise<ResourceServer> => {
    if (indicator === platform) return platformInfo(platform, client, SIGNING_ALG);
    const server = await deps.resourceServers.find(indicator);
    const owner = server?.isShared ? undefined : await deps.clients.find(client.clientId);
    if (!server || !(server.isShared || server.tenantId === owner?.tenantId)) {
      throw new errors.InvalidTarget();
    }
    return storedInfo(server, client, SIGNING_ALG);
  };
}
