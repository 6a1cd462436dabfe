import type { Context } from 'koa';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { describeUser, type UserService } from '../features/user/index.ts';
import { webUrl } from '../pages/index.ts';
import type { ErrorPages } from '../web/error-pages.ts';
import type { PageContext, PageRenderer } from '../web/page-renderer.ts';
import type { ClientDirectory } from './clients/documents.ts';
import { createDevicePages } from './device/pages.ts';
import type { EnginePages } from './provider.ts';
import { parseSelfSubmittingForm, type SelfSubmittingForm } from './self-submitting-form.ts';
import { clientName } from './sign-in-page.ts';

export interface EnginePageDeps {
  pages: PageRenderer;
  errorPages: ErrorPages;
  clients: Pick<ClientDirectory, 'find'>;
  users: Pick<UserService, 'findAccount'>;
}

export interface HostedPages extends EnginePages {
  /** Puts ours in place of the engine's self-submitting form, if that is the answer. */
  replaceForm(ctx: Context): Promise<void>;
}

/** The request that a sign-in goes on with; the engine has not taken it up where it signs out first. */
const resumedParams = ({ oidc }: KoaContextWithOIDC): Record<string, unknown> =>
  oidc.entities.Interaction?.params ?? {};

async function findClient({ clients }: EnginePageDeps, ctx: KoaContextWithOIDC) {
  const clientId = ctx.oidc.client?.clientId ?? resumedParams(ctx).client_id;
  return typeof clientId === 'string' ? clients.find(clientId) : undefined;
}

async function pageContext(deps: EnginePageDeps, ctx: KoaContextWithOIDC): Promise<PageContext> {
  const client = await findClient(deps, ctx).catch(() => undefined);
  const { ui_locales: uiLocales } = ctx.oidc.params ?? resumedParams(ctx);
  return {
    tenantId: client?.tenantId,
    uiLocales: typeof uiLocales === 'string' ? uiLocales : undefined,
  };
}

async function renderForm(
  deps: EnginePageDeps,
  page: Context,
  form: SelfSubmittingForm,
): Promise<void> {
  const context = await pageContext(deps, page as unknown as KoaContextWithOIDC);
  const action = webUrl(form.action);
  if (action === null) return deps.errorPages.oauth(page, NO_FORM_POST, context);
  const more = { status: page.status, isOnce: true };
  await deps.pages.render(page, 'continue', { ...form, action }, { ...context, ...more });
}

async function renderLogout(
  deps: EnginePageDeps,
  ctx: KoaContextWithOIDC,
  form: string,
): Promise<void> {
  const account = await deps.users.findAccount(ctx.oidc.session?.accountId ?? '');
  const client = await findClient(deps, ctx);
  await deps.pages.render(
    ctx as unknown as Context,
    'logout',
    {
      action: '/logout/confirm',
      csrfField: { name: 'xsrf', value: xsrfOf(form) },
      clientName: client ? clientName(client.metadata) : null,
      account: account ? describeUser(account.user) : null,
    },
    await pageContext(deps, ctx),
  );
}

async function renderSignedOut(deps: EnginePageDeps, ctx: KoaContextWithOIDC): Promise<void> {
  // Also the end for whoever chose to stay signed in: the front page tells them the truth.
  const { accountId } = await ctx.oidc.provider.Session.get(ctx);
  if (accountId) {
    ctx.status = 303;
    return ctx.redirect('/');
  }
  const client = await findClient(deps, ctx);
  await deps.pages.render(
    ctx as unknown as Context,
    'signed-out',
    {
      clientName: client ? clientName(client.metadata) : null,
      returnUrl:
        typeof client?.metadata.client_uri === 'string' ? client.metadata.client_uri : null,
      signInUrl: '/',
      everywhereUrl: '/logout/everywhere',
    },
    await pageContext(deps, ctx),
  );
}

/** Every page that the engine answers with: errors, logout, and forms that are to be posted on. */
export function createEnginePages(deps: EnginePageDeps): HostedPages {
  const { renderPrefilled, ...devicePages } = createDevicePages(deps);
  return {
    ...devicePages,
    async replaceForm(ctx) {
      const { body } = ctx as { body: unknown };
      if (typeof body !== 'string' || ctx.type !== 'text/html') return;
      const form = parseSelfSubmittingForm(body);
      if (form && !(await renderPrefilled(ctx, form))) await renderForm(deps, ctx, form);
    },
    async renderError(ctx, out, error) {
      const context = await pageContext(deps, ctx);
      const page = ctx as unknown as Context;
      if (error instanceof errors.SessionNotFound) {
        return deps.errorPages.expired(page, lastSegment(ctx.path), context);
      }
      await deps.errorPages.oauth(page, out, { ...context, status: ctx.status });
    },
    logoutSource: (ctx, form) => renderLogout(deps, ctx, form),
    postLogoutSuccessSource: (ctx) => renderSignedOut(deps, ctx),
  };
}

/** A form posted to an application on the device would arrive there empty. */
const NO_FORM_POST = {
  error: 'invalid_request',
  error_description: 'response_mode form_post needs a redirect_uri of the web',
};

/** The engine hands over a whole form; only its token is needed. */
function xsrfOf(form: string): string {
  const value = /name="xsrf" value="([\w-]+)"/.exec(form)?.[1];
  if (!value) throw new Error('oidc-provider changed its logout form');
  return value;
}

const lastSegment = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
