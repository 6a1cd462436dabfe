import Router from '@koa/router';
import type { Context } from 'koa';
import type { OneTimeLinks } from '../features/one-time-link/index.ts';
import {
  type PasswordPolicy,
  type PasswordService,
  RESET_PASSWORD,
} from '../features/password/index.ts';
import { type TenantService, tenantSettings } from '../features/tenant/index.ts';
import { VERIFY_EMAIL, type VerificationService } from '../features/verification/index.ts';
import { sha256 } from '../kernel/crypto.ts';
import { AppError } from '../kernel/errors.ts';
import { requestFacts } from '../kernel/http/index.ts';
import type { FormError, PageModels } from '../pages/index.ts';
import { type CsrfTokens, readForm } from './forms.ts';
import type { Onward } from './onward.ts';
import type { PageRenderer } from './page-renderer.ts';
import { type StepFailure, toPasswordError, toStepFailure } from './step-failures.ts';

export interface LinkPageDeps {
  links: Pick<OneTimeLinks, 'peek'>;
  verification: Pick<VerificationService, 'byLink'>;
  password: Pick<PasswordService, 'reset'>;
  passwordPolicy: Pick<PasswordPolicy, 'strength'>;
  tenants: Pick<TenantService, 'find'>;
  pages: PageRenderer;
  csrf: CsrfTokens;
  onward: Onward;
}

const VERIFY = '/verify-email';
const RESET = '/reset-password';

const isSpent = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'IDENT_TOKEN_SPENT';

/** A form is bound to its link: it came from the page that the link opened. */
const bindingOf = (path: string, token: string): string =>
  `${path}:${sha256(token).toString('base64url')}`;

const defaults = tenantSettings.parse({});

/**
 * The pages that links in mails open. Opening one changes nothing, as mail
 * scanners open them too; the button on it does. The token stays in the form:
 * no address that the browser is sent on to has it.
 */
export function createLinkPages(deps: LinkPageDeps): Router {
  const { pages, csrf } = deps;

  const renderEnd = (
    ctx: Context,
    state: PageModels['account-end']['state'],
    options: { tenantId?: string; status?: number } = {},
  ): Promise<void> => {
    const href = deps.onward.find(ctx);
    const onward =
      href === null
        ? { href: '/', labelId: 'account-end.onward.home' }
        : { href, labelId: 'account-end.onward.continue' };
    return pages.render(ctx, 'account-end', { state, onward }, { ...options, isOnce: true });
  };

  /** Whose link it is; answers where it opens nothing any more. */
  async function open(ctx: Context, purpose: string, token: string) {
    try {
      return await deps.links.peek(purpose, token);
    } catch (error) {
      if (!isSpent(error)) throw error;
      await renderEnd(ctx, 'link-spent', { status: 422 });
      return undefined;
    }
  }

  /** The form with its token. @throws AppError IDENT_FORBIDDEN when it is not from our page */
  async function readSubmission(ctx: Context, path: string) {
    const form = await readForm(ctx.req);
    const token = form.get('token') ?? '';
    if (!csrf.matches(form.get('csrf'), bindingOf(path, token))) {
      throw new AppError('IDENT_FORBIDDEN', { log: { reason: 'csrf' } });
    }
    return { form, token };
  }

  const tokenOf = (ctx: Context): string =>
    typeof ctx.query.token === 'string' ? ctx.query.token : '';

  async function showVerify(ctx: Context): Promise<void> {
    const token = tokenOf(ctx);
    const link = await open(ctx, VERIFY_EMAIL, token);
    if (!link) return;
    await pages.render(
      ctx,
      'confirm-email',
      { action: VERIFY, csrfToken: csrf.tokenFor(bindingOf(VERIFY, token)), token },
      { tenantId: link.tenantId },
    );
  }

  async function verify(ctx: Context): Promise<void> {
    const { token } = await readSubmission(ctx, VERIFY);
    try {
      const { tenantId } = await deps.verification.byLink(token);
      await renderEnd(ctx, 'email-verified', { tenantId });
    } catch (error) {
      if (!isSpent(error)) throw error;
      await renderEnd(ctx, 'link-spent', { status: 422 });
    }
  }

  const minLengthOf = async (tenantId: string): Promise<number> =>
    ((await deps.tenants.find(tenantId))?.settings ?? defaults).passwordMinLength;

  async function renderReset(
    ctx: Context,
    link: { token: string; tenantId: string },
    shown: { failure?: StepFailure; password?: FormError; typed?: string } = {},
  ): Promise<void> {
    const { token, tenantId } = link;
    const { failure, password } = shown;
    await pages.render(
      ctx,
      'reset',
      {
        action: RESET,
        csrfToken: csrf.tokenFor(bindingOf(RESET, token)),
        token,
        sentTo: null,
        resendAction: null,
        backUrl: null,
        code: '',
        isResent: false,
        strength: shown.typed ? await deps.passwordPolicy.strength(shown.typed, []) : null,
        minLength: await minLengthOf(tenantId),
        error: failure?.error ?? null,
        fieldErrors: password ? { password } : {},
      },
      { tenantId, status: failure?.status ?? (password ? 400 : 200) },
    );
  }

  async function showReset(ctx: Context): Promise<void> {
    const token = tokenOf(ctx);
    const link = await open(ctx, RESET_PASSWORD, token);
    if (link) await renderReset(ctx, { token, tenantId: link.tenantId });
  }

  async function reset(ctx: Context): Promise<void> {
    const { form, token } = await readSubmission(ctx, RESET);
    const opened = await open(ctx, RESET_PASSWORD, token);
    if (!opened) return;
    const { tenantId } = opened;
    const password = form.get('password') ?? '';
    if (password === '') {
      return renderReset(ctx, { token, tenantId }, { password: { id: 'password.error.required' } });
    }
    try {
      await deps.password.reset(token, password);
    } catch (error) {
      if (isSpent(error)) return renderEnd(ctx, 'link-spent', { status: 422 });
      const wrong = toPasswordError(error, await minLengthOf(tenantId));
      const shown = wrong ? { password: wrong } : { failure: toStepFailure(ctx, error) };
      return renderReset(ctx, { token, tenantId }, { ...shown, typed: password });
    }
    await renderEnd(ctx, 'password-reset', { tenantId });
  }

  return new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = ctx.path;
      return next();
    })
    .get(VERIFY, showVerify)
    .post(VERIFY, verify)
    .get(RESET, showReset)
    .post(RESET, reset);
}
