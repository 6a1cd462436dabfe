import type { Knex } from 'knex';
import { type Client, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Config } from '../../config.ts';
import type { ClientMetadata, ClientService, StoredClient } from '../../features/client/index.ts';
import type { InitialAccessTokenService } from '../../features/registration/index.ts';
import type { ResourceServerService } from '../../features/resource-server/index.ts';
import type { TenantService } from '../../features/tenant/index.ts';
import { ipBucket, type RateLimits } from '../../infra/rate-limits.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import { AppError } from '../../kernel/errors.ts';
import { orUnavailable } from '../dependency-errors.ts';
import { assertKnownScopes } from './metadata.ts';
import { assertSelfRegistrable } from './registration-policy.ts';

/** Registrations of one address (IPv6: one /64) in an hour. */
const PER_ADDRESS = { limit: 20, windowMs: 3_600_000 };

export interface RegistrationDeps {
  config: Config;
  clients: ClientService;
  tenants: Pick<TenantService, 'ensurePlatform' | 'findByName'>;
  initialAccessTokens: InitialAccessTokenService;
  resourceServers: Pick<ResourceServerService, 'listScopeNames'>;
  rateLimits: Pick<RateLimits, 'hit'>;
}

const isUpdate = (): boolean => Provider.ctx?.oidc.route === 'client_update';

/** The client or the token was deleted, disabled or used up since the request began. */
function gone(): never {
  throw new errors.InvalidToken('what the token is for is gone');
}

const tooMany = (message: string): Error =>
  Object.assign(new errors.TemporarilyUnavailable(message), { status: 429, statusCode: 429 });

/** The initial access token of the request being served, if it came with one. */
function presentedToken(): string | undefined {
  const entities = Provider.ctx?.oidc.entities as { InitialAccessToken?: { jti: string } };
  return entities?.InitialAccessToken?.jti;
}

/** Whose a client is that registers without a token. */
async function openTenant({ config, tenants }: RegistrationDeps): Promise<string> {
  const slug = config.DYNAMIC_REGISTRATION_TENANT;
  if (slug === undefined) return (await tenants.ensurePlatform()).id;
  const tenant = await tenants.findByName(slug);
  if (!tenant) throw new Error(`DYNAMIC_REGISTRATION_TENANT names no tenant: ${slug}`);
  return tenant.id;
}

/** Uses the token once, or counts against what is open to all. */
async function claim(deps: RegistrationDeps, tenantId: string, trx: Knex.Transaction) {
  const value = presentedToken();
  if (value !== undefined) {
    const token = await deps.initialAccessTokens.use(trx, value);
    // Others were quicker: the engine found it alive, and it has no use left now.
    if (!token) throw new errors.InvalidToken('initial access token not found');
    return { tenantId, initialAccessTokenId: token.id };
  }
  const most = deps.config.DYNAMIC_REGISTRATION_MAX_UNUSED;
  if ((await deps.clients.countUnusedOpen(trx, most)) >= most) {
    throw tooMany('too many clients have registered and are not in use');
  }
  return { tenantId, initialAccessTokenId: null };
}

/** Whose the client is that is being saved: known before, so that no transaction waits for it. */
async function tenantOf(deps: RegistrationDeps, clientId: string): Promise<string> {
  if (isUpdate()) return (await deps.clients.find(clientId))?.tenantId ?? gone();
  const value = presentedToken();
  if (value === undefined) return openTenant(deps);
  return (await deps.initialAccessTokens.find(value))?.tenantId ?? gone();
}

/** What failed in the client feature as the error of RFC 7592. */
function translate(error: unknown): never {
  if (error instanceof AppError && error.code === 'IDENT_STALE_VERSION') {
    throw new errors.InvalidRequest('the client was changed by another request', 409);
  }
  if (error instanceof AppError && error.code === 'IDENT_NOT_FOUND') {
    gone();
  }
  if (error instanceof AppError && error.code === 'IDENT_VALIDATION') {
    throw new errors.InvalidClientMetadata(`scope ${error.options.errors?.[0]?.message}`);
  }
  throw error;
}

/** Where the engine saves clients that register themselves: among all others. */
export const createClientStore = (deps: RegistrationDeps) => ({
  find: async (clientId: string): Promise<ClientMetadata | undefined> =>
    (await deps.clients.find(clientId))?.metadata,
  async upsert(clientId: string, payload: object): Promise<void> {
    const metadata = { ...payload, client_id: clientId };
    const tenantId = await tenantOf(deps, clientId);
    const listScopes = () => deps.resourceServers.listScopeNames(tenantId);
    await assertKnownScopes(metadata, listScopes).catch(translate);
    const saved = isUpdate()
      ? deps.clients.replaceRegistered(metadata)
      : deps.clients.register(metadata, (trx) => claim(deps, tenantId, trx));
    await saved.catch(translate);
  },
  async destroy(clientId: string): Promise<void> {
    const stored = await deps.clients.find(clientId);
    if (stored) await deps.clients.delete(stored.tenantId, clientId).catch(translate);
  },
});

export type ClientStore = ReturnType<typeof createClientStore>;

async function limit({ rateLimits }: RegistrationDeps, ctx: KoaContextWithOIDC): Promise<void> {
  const key = ipBucket(currentRequest()?.clientIp ?? null);
  const state = await orUnavailable(() =>
    rateLimits.hit({ bucket: 'register', key, ...PER_ADDRESS }),
  );
  if (state.allowed) return;
  ctx.set('Retry-After', String(state.retryAfterSeconds));
  throw tooMany('too many registrations from this address');
}

/** Where registration is open, a token is not asked for, but counts if there is one. */
async function loadOptionalToken(ctx: KoaContextWithOIDC): Promise<void> {
  if (ctx.oidc.entities.InitialAccessToken || ctx.get('authorization') === '') return;
  const { provider } = ctx.oidc;
  const token = await provider.InitialAccessToken.find(ctx.oidc.getAccessToken());
  if (!token) throw new errors.InvalidToken('initial access token not found');
  ctx.oidc.entity('InitialAccessToken', token);
}

/** A step for the engine's registration endpoints, before metadata are validated and saved. */
export const createRegistrationStep =
  (deps: RegistrationDeps) =>
  async (ctx: KoaContextWithOIDC): Promise<void> => {
    if (ctx.oidc.route === 'registration') {
      await loadOptionalToken(ctx);
      await limit(deps, ctx);
    }
    assertSelfRegistrable(ctx.oidc.body as Record<string, unknown>, deps.config);
  };

/** Keeps clients that registered themselves from being purged once they have had a token. */
export const createNoteUse =
  (
    clients: Pick<ClientService, 'noteFirstToken'>,
    storedOf: (client: Client) => Promise<StoredClient | undefined>,
  ) =>
  async ({ oidc: { client } }: KoaContextWithOIDC): Promise<void> => {
    const stored = client && (await storedOf(client));
    if (!stored?.selfRegisteredAt || stored.firstTokenAt) return;
    await orUnavailable(() => clients.noteFirstToken(stored.clientId));
  };
