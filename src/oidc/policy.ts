import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { StoredClient } from '../features/client/index.ts';
import { type Acr, ONE_FACTOR, TWO_FACTORS } from '../features/mfa/index.ts';
import type { TenantService } from '../features/tenant/index.ts';
import { createAcrCheck } from './acr.ts';
import type { TenantAccount } from './claims.ts';
import { documentHostOf } from './clients/documents.ts';

const { Check, Prompt, base } = interactionPolicy;

/** What a policy needs to know about clients and tenants. */
export interface PolicyDeps {
  tenants: Pick<TenantService, 'findByName' | 'find'>;
  findClient(clientId: string): Promise<StoredClient | undefined>;
}

/**
 * The tenant that an authorization acts in: that of a tenant's client; for a
 * platform client the one the request names, else the user's home.
 * @returns undefined when the user does not belong to it
 */
export async function findActingTenant(
  ctx: KoaContextWithOIDC,
  deps: PolicyDeps,
): Promise<string | undefined> {
  const account = ctx.oidc.account as TenantAccount | undefined;
  const client = ctx.oidc.client && (await deps.findClient(ctx.oidc.client.clientId));
  if (!account || !client) return undefined;
  const wanted = await findWantedTenant(client, ctx.oidc.params?.tenant, deps);
  if (wanted === null) return account.user.tenantId;
  return wanted && account.tenantIds.includes(wanted) ? wanted : undefined;
}

/** The tenant that a request is for: null when it leaves it open, undefined when there is no such. */
export async function findWantedTenant(
  client: StoredClient,
  parameter: unknown,
  deps: PolicyDeps,
): Promise<string | null | undefined> {
  const owner = await deps.tenants.find(client.tenantId);
  if (owner && !owner.isPlatform) return owner.id;
  if (typeof parameter !== 'string' || parameter === '') return null;
  return (await deps.tenants.findByName(parameter))?.id;
}

/**
 * The class that a tenant demands of people at home elsewhere, who may have signed in
 * there by less; of its own people it asks for it when they sign in.
 */
async function findDemand(ctx: KoaContextWithOIDC, deps: PolicyDeps): Promise<Acr> {
  const account = ctx.oidc.account as TenantAccount | undefined;
  const acting = await findActingTenant(ctx, deps);
  if (!account || !acting || acting === account.user.tenantId) return ONE_FACTOR;
  const tenant = await deps.tenants.find(acting);
  return tenant?.settings.mfaRequired ? TWO_FACTORS : ONE_FACTOR;
}

/**
 * The prompts of an authorization: upstream's, and reasons more to ask for a
 * sign-in: the account may no longer hold tokens, or is not of the tenant, or
 * another authentication context class is needed.
 */
export function createPolicy(deps: PolicyDeps): interactionPolicy.DefaultPolicy {
  const policy = base();
  const login = policy.get('login');
  login?.checks.add(
    new Check('account_gone', 'End-User authentication is required', 'login_required', (ctx) =>
      ctx.oidc.session?.accountId && !ctx.oidc.account
        ? Check.REQUEST_PROMPT
        : Check.NO_NEED_TO_PROMPT,
    ),
  );
  login?.checks.add(
    new Check('tenant', 'the account is not of this tenant', 'login_required', async (ctx) =>
      ctx.oidc.account && !(await findActingTenant(ctx, deps))
        ? Check.REQUEST_PROMPT
        : Check.NO_NEED_TO_PROMPT,
    ),
  );
  // Upstream's would ask for a sign-in for ever where none can give the class.
  login?.checks.remove('essential_acr');
  login?.checks.remove('essential_acrs');
  login?.checks.add(createAcrCheck((ctx) => findDemand(ctx, deps)));
  // The page to sign in is where an account is chosen: by signing in to it.
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 0);
  const consent = policy.get('consent');
  // A native first-party app is ours: asking consent for it would teach people to click through.
  const native = consent?.checks.get('native_client_prompt');
  if (native) {
    const { check } = native;
    native.check = async (ctx) => {
      const client = ctx.oidc.client && (await deps.findClient(ctx.oidc.client.clientId));
      return client?.isFirstParty ? Check.NO_NEED_TO_PROMPT : check(ctx);
    };
  }
  consent?.checks.add(
    new Check('unknown_client', 'consent is asked each time', 'consent_required', async (ctx) => {
      const client = ctx.oidc.client && (await deps.findClient(ctx.oidc.client.clientId));
      // Nobody vouches for it: what was allowed once may be asked by somebody else now.
      const isDocument = client !== undefined && documentHostOf(client) !== null;
      return isDocument && !ctx.oidc.result?.consent
        ? Check.REQUEST_PROMPT
        : Check.NO_NEED_TO_PROMPT;
    }),
  );
  return policy;
}
