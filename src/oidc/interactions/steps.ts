import type { Context } from 'koa';
import { errors, type Interaction, type InteractionResults, type Provider } from 'oidc-provider';
import type { TenantService } from '../../features/tenant/index.ts';
import { AppError } from '../../kernel/errors.ts';
import { type CsrfTokens, type Form, readForm } from '../../web/forms.ts';
import { neededAcrs } from '../acr.ts';
import type { ClientDirectory } from '../clients/documents.ts';
import { findWantedTenant } from '../policy.ts';
import type { Step } from '../step.ts';

export interface StepDeps {
  engine(): Provider;
  directory: ClientDirectory;
  tenants: TenantService;
  csrf: CsrfTokens;
}

/** What every step of a sign-in begins and ends with. */
export type Steps = ReturnType<typeof createSteps>;

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What ties a CSRF token to one interaction: its id is in the URL, its `cid` nowhere outside. */
const csrfBinding = (interaction: Interaction): string => `${interaction.uid}:${interaction.cid}`;

/** 303: after credentials never a redirect that repeats them (RFC 9700 4.12). */
export function seeOther(ctx: Context, location: string): void {
  ctx.status = 303;
  ctx.redirect(location);
}

/** The address of a page within the interaction. */
export const pathOf = (step: Step, page?: string): string =>
  `/interaction/${step.interaction.uid}${page ? `/${page}` : ''}`;

/** Whether the person has still to say who they are; else that is settled, and consent is due. */
export const isSignIn = (step: Step): boolean => step.interaction.prompt.name !== 'consent';

/** Back to the step that is due. */
export const backToStep = (ctx: Context): void => seeOther(ctx, `/interaction/${ctx.params.uid}`);

export function createSteps(deps: StepDeps) {
  /** @throws errors.SessionNotFound when the interaction is over, or not this browser's */
  async function load(ctx: Context): Promise<Step> {
    const interaction = await deps.engine().interactionDetails(ctx.req, ctx.res);
    if (interaction.uid !== ctx.params.uid) throw new errors.SessionNotFound('another interaction');
    const known = await deps.directory.find(text(interaction.params.client_id));
    if (!known) throw new errors.SessionNotFound('the client is gone');
    const client = await deps.directory.describe(known);
    const tenantId = await findWantedTenant(client, interaction.params.tenant, {
      tenants: deps.tenants,
      findClient: deps.directory.find,
    });
    return {
      interaction,
      client,
      tenantId,
      acrValues: neededAcrs(interaction.params),
      csrfToken: deps.csrf.tokenFor(csrfBinding(interaction)),
      page: {
        tenantId: tenantId ?? client.tenantId,
        uiLocales: text(interaction.params.ui_locales),
      },
    };
  }

  /** Hands a result to the engine. @returns the address where it decides what is next */
  const settle = (
    ctx: Context,
    result: InteractionResults,
    { isFresh = false }: { isFresh?: boolean } = {},
  ): Promise<string> =>
    deps.engine().interactionResult(ctx.req, ctx.res, result, {
      mergeWithLastSubmission: !isFresh,
    });

  return {
    load,

    /**
     * The step with the form that was sent for it.
     * @throws AppError IDENT_FORBIDDEN when it is not a form of this interaction
     */
    async submission(ctx: Context): Promise<{ step: Step; form: Form }> {
      const step = await load(ctx);
      const form = await readForm(ctx.req);
      if (!deps.csrf.matches(form.get('csrf'), csrfBinding(step.interaction))) {
        throw new AppError('IDENT_FORBIDDEN', { log: { reason: 'csrf' } });
      }
      return { step, form };
    },

    settle,

    /**
     * Hands a result to the engine and goes where it decides.
     * @param options `isFresh` drops what earlier steps of the request have proved
     */
    async finish(
      ctx: Context,
      result: InteractionResults,
      options: { isFresh?: boolean } = {},
    ): Promise<void> {
      seeOther(ctx, await settle(ctx, result, options));
    },
  };
}
