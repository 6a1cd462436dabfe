import Router from '@koa/router';
import type { Context } from 'koa';
import type { Provider, Session } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { SessionService } from '../features/session/index.ts';
import { describeUser } from '../features/user/index.ts';
import { AppError } from '../kernel/errors.ts';
import { requestFacts } from '../kernel/http/index.ts';
import { type CsrfTokens, readForm } from '../web/forms.ts';
import type { PageRenderer } from '../web/page-renderer.ts';
import type { BrowserSessions } from './browser-sessions.ts';
import type { TenantAccount } from './claims.ts';
import { pagesSignInPath } from './pages-sign-in.ts';

export interface EverywhereDeps {
  config: Pick<Config, 'ISSUER'>;
  engine(): Provider;
  sessions: Pick<SessionService, 'endAllOf'>;
  browserSessions: BrowserSessions;
  findAccount(accountId: string): Promise<TenantAccount | undefined>;
  pages: PageRenderer;
  csrf: CsrfTokens;
}

const BASE = '/logout/everywhere';

/** Where a sign-in comes back to that was needed first. */
export const EVERYWHERE_RETURN_PATH = `${BASE}/return`;

/** 303: after a form never a redirect that repeats it (RFC 9700 4.12). */
function seeOther(ctx: Context, location: string): void {
  ctx.status = 303;
  ctx.redirect(location);
}

const bindingOf = (session: Session): string => `everywhere:${session.uid}`;

/** The pages on which a person who is signed in ends all their sessions. */
export function createEverywherePages(deps: EverywhereDeps): Router {
  async function findSignedIn(ctx: Context) {
    const session = await deps.engine().Session.get(ctx as never);
    const account = session.accountId ? await deps.findAccount(session.accountId) : undefined;
    return account && { session, account };
  }

  async function show(ctx: Context): Promise<void> {
    const found = await findSignedIn(ctx);
    if (!found) {
      return seeOther(ctx, pagesSignInPath(`${deps.config.ISSUER}${EVERYWHERE_RETURN_PATH}`));
    }
    const { session, account } = found;
    await deps.pages.render(
      ctx,
      'everywhere',
      {
        action: BASE,
        csrfToken: deps.csrf.tokenFor(bindingOf(session)),
        account: describeUser(account.user),
        stayUrl: '/',
      },
      { tenantId: account.user.tenantId },
    );
  }

  async function submit(ctx: Context): Promise<void> {
    const found = await findSignedIn(ctx);
    // Signed out in another window already.
    if (!found) return seeOther(ctx, `${BASE}/done`);
    const form = await readForm(ctx.req);
    if (!deps.csrf.matches(form.get('csrf'), bindingOf(found.session))) {
      throw new AppError('IDENT_FORBIDDEN', { log: { reason: 'csrf' } });
    }
    await deps.sessions.endAllOf(found.account.accountId, { reason: 'logout_all' });
    await deps.browserSessions.forgetEnded(ctx);
    seeOther(ctx, `${BASE}/done`);
  }

  async function showDone(ctx: Context): Promise<void> {
    if (await findSignedIn(ctx)) return seeOther(ctx, BASE);
    await deps.pages.render(ctx, 'account-end', {
      state: 'signed-out-everywhere',
      onward: { href: '/', labelId: 'account-end.onward.home' },
    });
  }

  /** Back from a sign-in, with or without success: the page itself shows what is next. */
  const comeBack = (ctx: Context): void =>
    seeOther(ctx, ctx.query.error === undefined ? BASE : '/');

  return new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = BASE;
      return next();
    })
    .get(BASE, show)
    .post(BASE, submit)
    .get(`${BASE}/done`, showDone)
    .get(EVERYWHERE_RETURN_PATH, comeBack);
}
