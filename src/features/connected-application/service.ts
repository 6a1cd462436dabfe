import { AppError } from '../../kernel/errors.ts';
import { isBuiltIn, type StoredClient } from '../client/index.ts';
import { type ResourceServerService, scopeDescription } from '../resource-server/index.ts';
import type { Application, SessionService } from '../session/index.ts';
import type { ConnectedApplication, ScopeWords } from './schema.ts';

export interface ConnectedApplicationDeps {
  sessions: Pick<SessionService, 'listApplications' | 'endApplication'>;
  resourceServers: Pick<ResourceServerService, 'find'>;
  /** An enabled client, by id. */
  findClient(clientId: string): Promise<StoredClient | undefined>;
  /** The host of the document that describes a client; null for one that is registered. */
  documentHostOf(client: StoredClient): string | null;
  /** Scopes of OpenID Connect, in the order in which they are told. */
  openidScopes: readonly string[];
  describeScope(scope: string, locale: string): ScopeWords;
}

export type ConnectedApplicationService = ReturnType<typeof createConnectedApplicationService>;

/** Ids that are a segment of a path as they are; any other is written in base64url after a `~`. */
const PLAIN = /^(?!\.{1,2}$)[\w.-]+$/;

/** Names an application in an address, where a client id may be an address itself. */
export const applicationIdOf = (clientId: string): string =>
  PLAIN.test(clientId) ? clientId : `~${Buffer.from(clientId).toString('base64url')}`;

/** What a client id may be made of (RFC 6749 A.1). */
const CLIENT_ID = /^[\x20-\x7e]{1,255}$/;

/** @returns undefined for what is not written as `applicationIdOf` would */
function clientIdOf(id: string): string | undefined {
  const clientId = id.startsWith('~') ? Buffer.from(id.slice(1), 'base64url').toString() : id;
  return CLIENT_ID.test(clientId) && applicationIdOf(clientId) === id ? clientId : undefined;
}

/** An address that may be shown as a link or an image; only the encrypted web. */
function secureUrl(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  return URL.parse(value)?.protocol === 'https:' ? value : null;
}

/** What is meant for later comes last. */
const inOrder = (scopes: readonly string[]): string[] =>
  scopes.toSorted((a, b) => Number(a === 'offline_access') - Number(b === 'offline_access'));

const union = (lists: readonly (readonly string[])[]): string[] => [...new Set(lists.flat())];

/** What all grants of an application allow together. */
function allowed({ grants }: Application) {
  const audiences = union(grants.map(({ resources }) => Object.keys(resources)));
  return {
    scopes: union(grants.map(({ scopes }) => scopes)),
    resources: new Map(
      audiences.map((one) => [one, union(grants.map(({ resources }) => resources[one] ?? []))]),
    ),
  };
}

export function createConnectedApplicationService(deps: ConnectedApplicationDeps) {
  const { sessions, openidScopes } = deps;

  async function describeResource(audience: string, scopes: readonly string[], locale: string) {
    const server = await deps.resourceServers.find(audience);
    const words = (name: string): ScopeWords => {
      const scope = server?.scopes.find((own) => own.name === name);
      const title = scope && scopeDescription(scope, locale);
      return title ? { scope: name, title, description: null } : deps.describeScope(name, locale);
    };
    return { audience, name: server?.name ?? audience, scopes: scopes.map(words) };
  }

  async function describe(one: Application, locale: string): Promise<ConnectedApplication> {
    const client = await deps.findClient(one.clientId);
    const metadata: Record<string, unknown> = client?.metadata ?? {};
    const host = client ? deps.documentHostOf(client) : null;
    const { scopes, resources } = allowed(one);
    const own = union([scopes, ...resources.values()]);
    const apis = [...resources]
      .map(([audience, all]) => [audience, all.filter((s) => !openidScopes.includes(s))] as const)
      .filter(([, rest]) => rest.length > 0);
    return {
      id: applicationIdOf(one.clientId),
      clientId: one.clientId,
      name:
        typeof metadata.client_name === 'string' ? metadata.client_name : (host ?? one.clientId),
      host,
      logoUri: secureUrl(metadata.logo_uri),
      clientUri: secureUrl(metadata.client_uri),
      isFirstParty: client?.isFirstParty ?? false,
      since: one.since.toISOString(),
      lastUsedAt: one.lastUsedAt.toISOString(),
      hasRefreshTokens: one.hasRefreshTokens,
      scopes: inOrder(openidScopes)
        .filter((scope) => own.includes(scope))
        .map((scope) => deps.describeScope(scope, locale)),
      resources: await Promise.all(
        apis.map(([audience, rest]) => describeResource(audience, rest, locale)),
      ),
    };
  }

  return {
    /**
     * Applications that a person allows something, the one used last first. What the
     * service itself signs people in with is not among them: its sessions are listed.
     */
    async list(userId: string, locale: string): Promise<ConnectedApplication[]> {
      const all = await sessions.listApplications(userId);
      const others = all.filter(({ clientId }) => !isBuiltIn(clientId));
      return Promise.all(others.map((one) => describe(one, locale)));
    },

    /**
     * Takes back all that an application is allowed; the next sign-in to one of others
     * asks for consent again (ASVS 10.7.3). Asked again within the hour, it does the same.
     * @param id see `applicationIdOf`
     * @throws AppError IDENT_NOT_FOUND where it is allowed nothing, IDENT_UNAVAILABLE
     */
    async revoke(userId: string, id: string): Promise<void> {
      const clientId = clientIdOf(id);
      const isOther = clientId !== undefined && !isBuiltIn(clientId);
      const wasAllowed = isOther && (await sessions.endApplication({ userId, clientId }));
      if (!wasAllowed) throw new AppError('IDENT_NOT_FOUND');
    },
  };
}
