import {
  type Account,
  type BackchannelAuthenticationRequest,
  type Client,
  errors,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import type { ClientService } from '../../features/client/index.ts';
import type { Messenger } from '../../features/messaging/index.ts';
import type { TenantService } from '../../features/tenant/index.ts';
import { describeUser, parseIdentifier, type UserService } from '../../features/user/index.ts';
import type { Lookups } from '../../infra/lookups.ts';
import type { RateLimits } from '../../infra/rate-limits.ts';
import type { Clock } from '../../kernel/clock.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import type { TenantAccount } from '../claims.ts';
import { orUnavailable } from '../dependency-errors.ts';
import { findActingTenant, findWantedTenant, type PolicyDeps } from '../policy.ts';
import { clientName } from '../sign-in-page.ts';
import type { Approvals } from './approvals.ts';
import { cibaBudgets } from './budgets.ts';

export interface CibaDeps {
  issuer: string;
  clock: Clock;
  clients: Pick<ClientService, 'find'>;
  tenants: Pick<TenantService, 'find' | 'findByName'>;
  users: Pick<UserService, 'findByIdentifier'>;
  /** Whether too many failed sign-ins have closed an account for now. */
  isLocked(userId: string): Promise<boolean>;
  rateLimits: Pick<RateLimits, 'hitAll'>;
  lookups: Pick<Lookups, 'digest'>;
  messenger: Messenger;
  approvals: Pick<Approvals, 'open'>;
}

/** What the engine asks in the course of a CIBA request. */
export interface CibaHooks {
  processLoginHint(ctx: KoaContextWithOIDC, hint: string): Promise<string>;
  /** An account for a hint that means nobody, so that the answer does not tell. */
  standIn(ctx: KoaContextWithOIDC, accountId: string): Account | undefined;
  /** Refuses what cannot be served, or comes too often, before anything is stored. */
  admit(ctx: KoaContextWithOIDC, account: Account): Promise<void>;
  /** Writes to the person. */
  trigger(
    ctx: KoaContextWithOIDC,
    request: BackchannelAuthenticationRequest,
    account: Account,
    client: Client,
  ): Promise<void>;
}

const ROUTE = 'backchannel_authentication';
const TOO_MANY = 429;
const UNAVAILABLE = 503;

function unavailable(status: number, description: string): Error {
  const error = new errors.TemporarilyUnavailable(description);
  return Object.assign(error, { status, statusCode: status });
}

/** A value shaped like a user's id that is no user's, and always the same for one hint. */
function toStandInId(digest: string): string {
  const hex = digest.slice(0, 32);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...parts, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-');
}

const isReal = (account: Account): account is TenantAccount => 'user' in account;

/**
 * Client-initiated backchannel authentication. Whether a hint means somebody,
 * and whether that person may sign in, is never told: an unknown, suspended or
 * locked person, or one whom no mail reaches, gets a request like any other, of
 * which nothing comes until it expires. CIBA Core 13 has `unknown_user_id` for
 * that, which would let a client try addresses out.
 */
export function createCiba(deps: CibaDeps): CibaHooks {
  const findClient = (clientId: string) => deps.clients.find(clientId);
  const policyDeps: PolicyDeps = { tenants: deps.tenants, findClient };

  /** The address to write to; null when nothing may come of the request. */
  async function findAddress(
    account: Account,
    tenantId: string | undefined,
  ): Promise<string | null> {
    const isLocked = await deps.isLocked(account.accountId);
    if (!isReal(account) || isLocked || tenantId === undefined) return null;
    return account.user.emailVerified ? account.user.email : null;
  }

  /** The tenant whose name and language the mail has: the acting one, else the client's. */
  const findBrandId = async (client: Client, tenantId: string | undefined) =>
    tenantId ?? (await findClient(client.clientId))?.tenantId ?? '';

  return {
    processLoginHint: (ctx, hint) =>
      orUnavailable(async () => {
        const client = ctx.oidc.client && (await findClient(ctx.oidc.client.clientId));
        if (!client) throw new errors.InvalidClient('client is invalid', 'client not found');
        const wanted = await findWantedTenant(client, ctx.oidc.params?.tenant, policyDeps);
        const identifier = parseIdentifier(hint);
        const found =
          identifier && wanted !== undefined
            ? await deps.users.findByIdentifier(wanted, identifier)
            : [];
        const user = found.find(({ isHome }) => isHome) ?? (found.length === 1 && found[0]);
        const name = `${client.clientId}\0${identifier?.value ?? hint}`;
        return user ? user.id : toStandInId(deps.lookups.digest('hint', name));
      }),
    standIn: (ctx, accountId) =>
      ctx.oidc.route === ROUTE
        ? { accountId, claims: async () => ({ sub: accountId }) }
        : undefined,
    async admit(ctx, account) {
      const clientId = ctx.oidc.client?.clientId ?? '';
      const isReady = await orUnavailable(async () =>
        deps.messenger.isReady('mail', (await findClient(clientId))?.tenantId),
      );
      if (!isReady) {
        throw unavailable(UNAVAILABLE, 'people cannot be reached: no mail server is configured');
      }
      const budgets = cibaBudgets(clientId, account.accountId);
      const { allowed, states } = await orUnavailable(() => deps.rateLimits.hitAll(budgets));
      if (allowed) return;
      const retryAfter = Math.max(1, ...states.map((state) => state.retryAfterSeconds));
      ctx.set('Retry-After', String(retryAfter));
      throw unavailable(TOO_MANY, 'too many requests that nobody has answered');
    },
    trigger: (ctx, request, account, client) =>
      orUnavailable(async () => {
        const tenantId = isReal(account) ? await findActingTenant(ctx, policyDeps) : undefined;
        const [to, brandId] = await Promise.all([
          findAddress(account, tenantId),
          findBrandId(client, tenantId),
        ]);
        const expiresAt = deps.clock.now() + request.remainingTTL * 1000;
        const { token, id } = await deps.approvals.open({
          authReqId: request.jti,
          accountId: account.accountId,
          clientId: client.clientId,
          tenantId: tenantId ?? '',
          ip: currentRequest()?.clientIp ?? null,
          expiresAt,
        });
        const user = isReal(account) ? account.user : undefined;
        const { binding_message: message } = ctx.oidc.params ?? {};
        await deps.messenger.send(`ciba-${id}`, {
          template: 'ciba-approval',
          to,
          expiresAt,
          tenantId: brandId,
          locale: user?.locale ?? null,
          zoneinfo: user?.zoneinfo ?? null,
          values: {
            name: user ? describeUser(user).name : '',
            client: clientName(client.metadata()),
            message: typeof message === 'string' ? message : '',
            minutes: Math.max(1, Math.floor(request.remainingTTL / 60)),
            link: `${deps.issuer}/approve/${token}`,
          },
        });
      }),
  };
}
