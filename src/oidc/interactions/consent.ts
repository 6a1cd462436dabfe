import type { Context } from 'koa';
import { errors, type Grant, type Provider } from 'oidc-provider';
import type {
  ResourceServer,
  ResourceServerService,
} from '../../features/resource-server/index.ts';
import type { UserService } from '../../features/user/index.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { toConsentModel } from '../consent.ts';
import { addToGrant } from '../grants.ts';
import { type Step, toMissingConsent } from '../step.ts';
import type { TenantGrant } from '../token-claims.ts';
import { backToStep, type Steps, text } from './steps.ts';

export interface ConsentDeps {
  engine(): Provider;
  resourceServers: Pick<ResourceServerService, 'find'>;
  users: Pick<UserService, 'findAccount'>;
  pages: PageRenderer;
}

export const DENIED = { error: 'access_denied', error_description: 'End-User aborted interaction' };

/** The step in which a person allows what an application asks for. */
export function createConsentStep(deps: ConsentDeps, steps: Steps) {
  /** The resource servers that something is asked of; the platform's own is not among them. */
  async function findServers(step: Step): Promise<Map<string, ResourceServer>> {
    const audiences = Object.keys(toMissingConsent(step.interaction).resourceScopes);
    const found = await Promise.all(audiences.map((one) => deps.resourceServers.find(one)));
    return new Map(found.filter((one) => one !== undefined).map((one) => [one.audience, one]));
  }

  async function show(ctx: Context, step: Step): Promise<void> {
    const account = await deps.users.findAccount(text(step.interaction.session?.accountId));
    if (!account) throw new errors.SessionNotFound('the account is gone');
    const servers = await findServers(step);
    await deps.pages.render(
      ctx,
      'consent',
      (describe, locale) => toConsentModel(step, { user: account.user, servers }, describe, locale),
      step.page,
    );
  }

  /** The tenant that a consented grant acts in, decided as for any authorization. */
  async function findGrantTenant(step: Step, accountId: string): Promise<string> {
    const account = await deps.users.findAccount(accountId);
    const tenantId = step.tenantId ?? account?.user.tenantId;
    if (!account || !tenantId || !account.tenantIds.includes(tenantId)) {
      throw new errors.SessionNotFound('the account is not of this tenant');
    }
    return tenantId;
  }

  async function save(step: Step): Promise<string> {
    const { Grant: GrantModel } = deps.engine();
    const { interaction, client } = step;
    const accountId = text(interaction.session?.accountId);
    const tenantId = await findGrantTenant(step, accountId);
    const present = interaction.grantId ? await GrantModel.find(interaction.grantId) : undefined;
    const grant: Grant =
      present && (present as TenantGrant).tid === tenantId
        ? present
        : new GrantModel({ accountId, clientId: client.clientId });
    (grant as TenantGrant).tid = tenantId;
    addToGrant(grant, toMissingConsent(interaction));
    return grant.save();
  }

  return {
    show,
    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      if (step.interaction.prompt.name !== 'consent') return backToStep(ctx);
      const decision = form.get('decision');
      if (decision === 'allow') {
        return steps.finish(ctx, { consent: { grantId: await save(step) } });
      }
      if (decision === 'deny') return steps.finish(ctx, DENIED);
      return show(ctx, step);
    },
  };
}
