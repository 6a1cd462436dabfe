import Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import type { Config } from '../../config.ts';
import type { LiveSession, SessionService } from '../../features/session/index.ts';
import type { TenantService } from '../../features/tenant/index.ts';
import { mayHoldTokens, type Profile, type UserService } from '../../features/user/index.ts';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { requestFacts } from '../../kernel/http/index.ts';
import type { ErrorPages } from '../error-pages.ts';
import { type CsrfTokens, type Form, readForm } from '../forms.ts';
import type { PageRenderer } from '../page-renderer.ts';
import { createSealedCookie } from '../sealed-cookie.ts';
import { missingProof } from './freshness.ts';
import type { AccountPage, AccountVisit } from './page.ts';
import { type AccountSignIn, RETURN_PATH } from './sign-in-port.ts';
import { createVisits, GOODBYE, type Known, notice, seeOther } from './visit.ts';

export const BASE = '/account';
const SWITCH_PATH = `${BASE}/switch`;
const SIGN_OUT_PATH = `${BASE}/sign-out`;
const SIGNED_OUT_PATH = `${BASE}/signed-out`;
const GOODBYE_PATH = `${BASE}/goodbye`;

/** Longest address that a sign-in comes back to, in characters. */
const LONGEST_ADDRESS = 512;

/** Milliseconds within which the page that follows a form has to come to tell of it. */
const NOTICE_AGE = 60_000;

export interface FrameDeps {
  config: Pick<Config, 'ISSUER'>;
  clock: Clock;
  sealer: Sealer;
  accountSignIn: AccountSignIn;
  sessions: Pick<SessionService, 'end' | 'findLive'>;
  users: Pick<UserService, 'findAccount' | 'findSecondFactors'>;
  tenants: Pick<TenantService, 'find'>;
  pages: PageRenderer;
  errorPages: ErrorPages;
  csrf: CsrfTokens;
}

const account = z.object({ sessionId: z.uuid(), userId: z.uuid() });

/** A form is bound to the session that its page was shown to. */
const bindingOf = ({ id }: LiveSession): string => `account:${id}`;

/** The page that a sign-in comes back to: this one, or the one that the form is on. */
function returnPath(ctx: Context, page: AccountPage): string {
  const own = page.get ? ctx.path : (page.from ?? BASE);
  const path = ctx.method === 'GET' && page.get ? `${own}${ctx.search}` : own;
  return path.length <= LONGEST_ADDRESS ? path : BASE;
}

/**
 * The account page: an application like any other that people sign in to, whose
 * pages are declared as data. Whoever is not signed in is sent to sign in and
 * comes back; a session that has ended anywhere is over here with the next request.
 */
export function createAccountArea(deps: FrameDeps, pages: readonly AccountPage[]): Router {
  const isSecure = deps.config.ISSUER.startsWith('https:');
  const base = { sealer: deps.sealer, isSecure };
  const cookie = createSealedCookie({ ...base, name: 'gh_account', schema: account });
  const notices = createSealedCookie({
    ...{ ...base, name: 'gh_account_notice', schema: notice, maxAge: NOTICE_AGE },
  });
  const paths = {
    switchPath: SWITCH_PATH,
    signOutPath: SIGN_OUT_PATH,
    goodbyePath: GOODBYE_PATH,
  };
  const visits = createVisits({ ...deps, ...paths, cookie, notices }, pages);

  /** Who this browser is here; nobody where the session or the account is over. */
  async function findKnown(ctx: Context): Promise<Known | undefined> {
    const said = cookie.read(ctx);
    const session = said && (await deps.sessions.findLive(said.sessionId));
    if (!said || session?.userId !== said.userId) return undefined;
    const user: Profile | undefined = (await deps.users.findAccount(said.userId))?.user;
    const tenant = user && (await deps.tenants.find(user.tenantId));
    return tenant && mayHoldTokens(user) ? { session, person: user, tenant } : undefined;
  }

  /** The visit of a page, if nothing stands in its way; else the browser is sent to sign in. */
  async function enter(ctx: Context, page: AccountPage): Promise<AccountVisit | undefined> {
    const known = await findKnown(ctx);
    const returnTo = returnPath(ctx, page);
    if (!known) {
      const { tenant } = ctx.query;
      const more = typeof tenant === 'string' ? { tenant } : {};
      deps.accountSignIn.begin(ctx, { returnTo, ...more });
      return undefined;
    }
    const missing = page.fresh && (await missingProof(deps, known.session, page.fresh));
    if (missing) {
      deps.accountSignIn.begin(ctx, { returnTo, ...missing });
      return undefined;
    }
    return visits.create(ctx, page, {
      ...known,
      csrfToken: deps.csrf.tokenFor(bindingOf(known.session)),
    });
  }

  const show = (page: AccountPage) => async (ctx: Context) => {
    if (!page.get) return seeOther(ctx, page.from ?? BASE);
    const visit = await enter(ctx, page);
    if (visit) await page.get(visit);
  };

  /** @throws AppError IDENT_FORBIDDEN where it was not made for a page of this session */
  async function readOwnForm(ctx: Context, session: LiveSession): Promise<Form> {
    const form = await readForm(ctx.req);
    if (deps.csrf.matches(form.get('csrf'), bindingOf(session))) return form;
    throw new AppError('IDENT_FORBIDDEN', { log: { reason: 'csrf' } });
  }

  const submit = (page: AccountPage) => async (ctx: Context) => {
    const visit = await enter(ctx, page);
    if (visit && page.post) await page.post(visit, await readOwnForm(ctx, visit.session));
  };

  /** A sign-in that was begun elsewhere, or too long ago: a link begins another, lest it go round. */
  const showExpired = (ctx: Context): Promise<void> =>
    deps.pages.render(
      ctx,
      'error',
      {
        status: 400,
        titleId: 'error.expired.title',
        detailId: 'error.expired.detail',
        onward: { href: BASE, labelId: 'error.onward.restart' },
        technical: null,
      },
      { status: 400, isOnce: true },
    );

  async function comeBack(ctx: Context): Promise<void> {
    const outcome = await deps.accountSignIn.finish(ctx);
    if (outcome.state === 'signed-in') {
      const { sessionId, userId, returnTo } = outcome;
      const session = await deps.sessions.findLive(sessionId);
      if (session?.userId !== userId) return showExpired(ctx);
      cookie.write(ctx, { sessionId, userId });
      return seeOther(ctx, returnTo);
    }
    const isKnown = (await findKnown(ctx)) !== undefined;
    if (outcome.state === 'unknown') return isKnown ? seeOther(ctx, BASE) : showExpired(ctx);
    // Given up: back to where that leaves the person.
    if (outcome.error === 'access_denied') return seeOther(ctx, isKnown ? BASE : '/');
    await deps.errorPages.oauth(ctx, { error: outcome.error }, { isOnce: true });
  }

  async function signOut(ctx: Context): Promise<void> {
    const known = await findKnown(ctx);
    if (known) {
      const { session, person } = known;
      await readOwnForm(ctx, session);
      const which = { tenantId: person.tenantId, userId: person.id, sessionId: session.id };
      await deps.sessions.end({ ...which, reason: 'logout' });
      await deps.accountSignIn.forgetEnded(ctx);
      cookie.clear(ctx);
    }
    seeOther(ctx, SIGNED_OUT_PATH);
  }

  async function showSignedOut(ctx: Context): Promise<void> {
    if (await findKnown(ctx)) return seeOther(ctx, BASE);
    await deps.pages.render(ctx, 'signed-out', {
      clientName: null,
      returnUrl: null,
      signInUrl: BASE,
      everywhereUrl: '/logout/everywhere',
    });
  }

  /** The last page of an account, for whoever has just had it erased in this browser. */
  async function showGoodbye(ctx: Context): Promise<void> {
    const said = notices.read(ctx);
    if (said?.id !== GOODBYE) return seeOther(ctx, '/');
    await deps.pages.render(
      ctx,
      'account-end',
      { state: 'account-deleted', onward: { href: '/', labelId: 'account-end.onward.home' } },
      { tenantId: String(said.values?.tenantId) },
    );
  }

  const router = new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = BASE;
      return next();
    })
    .get(RETURN_PATH, comeBack)
    .post(SIGN_OUT_PATH, signOut)
    .get(SIGNED_OUT_PATH, showSignedOut)
    .get(GOODBYE_PATH, showGoodbye)
    .get(SWITCH_PATH, (ctx) =>
      deps.accountSignIn.begin(ctx, { returnTo: BASE, choosesAccount: true }),
    );
  for (const page of pages) {
    router.get(page.path, show(page));
    if (page.post) router.post(page.path, submit(page));
  }
  return router;
}
