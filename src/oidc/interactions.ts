import Router from '@koa/router';
import type { Context } from 'koa';
import {
  errors,
  type Grant,
  type Interaction,
  type InteractionResults,
  type Provider,
} from 'oidc-provider';
import type { ResourceServer, ResourceServerService } from '../features/resource-server/index.ts';
import type { SignInService } from '../features/sign-in/index.ts';
import type { TenantService } from '../features/tenant/index.ts';
import type { UserService } from '../features/user/index.ts';
import { currentRequest } from '../kernel/current-request.ts';
import { AppError } from '../kernel/errors.ts';
import { requestFacts } from '../kernel/http/index.ts';
import { type CsrfTokens, type Form, readForm } from '../web/forms.ts';
import type { PageRenderer } from '../web/page-renderer.ts';
import type { ClientDirectory } from './clients/documents.ts';
import { toConsentModel } from './consent.ts';
import { addToGrant } from './grants.ts';
import { findWantedTenant } from './policy.ts';
import type { Restarts } from './restarts.ts';
import { type SignInFailure, showSignIn, toSignInFailure } from './sign-in-page.ts';
import { type Step, toMissingConsent } from './step.ts';
import type { TenantGrant } from './token-claims.ts';

export interface InteractionDeps {
  engine(): Provider;
  directory: ClientDirectory;
  resourceServers: Pick<ResourceServerService, 'find'>;
  tenants: TenantService;
  users: Pick<UserService, 'findAccount'>;
  signIn: SignInService;
  pages: PageRenderer;
  csrf: CsrfTokens;
  restarts: Restarts;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What ties a CSRF token to one interaction: its id is in the URL, its `cid` nowhere outside. */
const csrfBinding = (interaction: Interaction): string => `${interaction.uid}:${interaction.cid}`;

/**
 * The steps of a sign-in under /interaction/:uid. The engine decides which step
 * is due; each can be repeated, none can be skipped, an empty or stale POST
 * shows the step again.
 */
export function createInteractions(deps: InteractionDeps): Router {
  async function loadStep(ctx: Context): Promise<Step> {
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
      csrfToken: deps.csrf.tokenFor(csrfBinding(interaction)),
      page: {
        tenantId: tenantId ?? client.tenantId,
        uiLocales: text(interaction.params.ui_locales),
      },
    };
  }

  async function loadSubmission(ctx: Context): Promise<{ step: Step; form: Form }> {
    const step = await loadStep(ctx);
    const form = await readForm(ctx.req);
    if (!deps.csrf.matches(form.get('csrf'), csrfBinding(step.interaction))) {
      throw new AppError('IDENT_FORBIDDEN', { log: { reason: 'csrf' } });
    }
    return { step, form };
  }

  async function finish(ctx: Context, result: InteractionResults): Promise<void> {
    const returnTo = await deps.engine().interactionResult(ctx.req, ctx.res, result, {
      mergeWithLastSubmission: true,
    });
    seeOther(ctx, returnTo);
  }

  /** The resource servers that something is asked of; the platform's own is not among them. */
  async function findServers(step: Step): Promise<Map<string, ResourceServer>> {
    const audiences = Object.keys(toMissingConsent(step.interaction).resourceScopes);
    const found = await Promise.all(audiences.map((one) => deps.resourceServers.find(one)));
    return new Map(found.filter((one) => one !== undefined).map((one) => [one.audience, one]));
  }

  async function showConsent(ctx: Context, step: Step): Promise<void> {
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

  async function show(ctx: Context): Promise<void> {
    const step = await loadStep(ctx);
    if (step.interaction.prompt.name === 'consent') await showConsent(ctx, step);
    else
      await showSignIn(ctx, deps.pages, step, {
        identifier: text(step.interaction.params.login_hint),
      });
  }

  async function submitSignIn(ctx: Context): Promise<void> {
    const { step, form } = await loadSubmission(ctx);
    if (step.interaction.prompt.name === 'consent') return backToStep(ctx);
    const identifier = form.get('identifier')?.trim() ?? '';
    const password = form.get('password') ?? '';
    const organisation = form.get('organisation')?.trim() ?? '';
    const typed = { identifier, organisation };
    if (identifier === '' || password === '') {
      return showSignIn(ctx, deps.pages, step, {
        ...typed,
        failure: missingFields(identifier, password),
      });
    }
    try {
      const { user, amr, acr, authTime } = await deps.signIn.withPassword({
        identifier,
        password,
        organisation: organisation || null,
        tenantId: step.tenantId,
        clientId: step.client.clientId,
        clientIp: currentRequest()?.clientIp ?? null,
      });
      await finish(ctx, {
        login: { accountId: user.id, amr, acr, ts: authTime, remember: true },
        // Whoever signs in has chosen the account.
        select_account: {},
      });
    } catch (error) {
      const failure = toSignInFailure(ctx, error);
      await showSignIn(ctx, deps.pages, step, { ...typed, failure });
    }
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

  async function saveConsent(step: Step): Promise<string> {
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

  async function submitConsent(ctx: Context): Promise<void> {
    const { step, form } = await loadSubmission(ctx);
    if (step.interaction.prompt.name !== 'consent') return backToStep(ctx);
    const decision = form.get('decision');
    if (decision === 'allow') return finish(ctx, { consent: { grantId: await saveConsent(step) } });
    if (decision === 'deny') return finish(ctx, DENIED);
    return showConsent(ctx, step);
  }

  async function abort(ctx: Context): Promise<void> {
    await loadSubmission(ctx);
    await finish(ctx, DENIED);
  }

  return new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = '/interaction/:uid';
      return next();
    })
    .get('/interaction/:uid', show)
    .post('/interaction/:uid/sign-in', submitSignIn)
    .post('/interaction/:uid/consent', submitConsent)
    .post('/interaction/:uid/abort', abort);
}

const DENIED = { error: 'access_denied', error_description: 'End-User aborted interaction' };

/** 303: after credentials never a redirect that repeats them (RFC 9700 4.12). */
function seeOther(ctx: Context, location: string): void {
  ctx.status = 303;
  ctx.redirect(location);
}

const backToStep = (ctx: Context): void => seeOther(ctx, `/interaction/${ctx.params.uid}`);

function missingFields(identifier: string, password: string): SignInFailure {
  return {
    status: 400,
    error: null,
    fieldErrors: {
      ...(identifier === '' ? { identifier: 'sign-in.field.identifier-required' } : {}),
      ...(password === '' ? { password: 'sign-in.field.password-required' } : {}),
    },
  };
}
