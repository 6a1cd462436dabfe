import Router from '@koa/router';
import type { Context } from 'koa';
import { requestFacts } from '../kernel/http/index.ts';
import { pagesSignInPath } from './pages-sign-in.ts';

/** Where mails send people who want a new password, with their organisation as `tenant`. */
const BASE = '/forgot-password';

/** Where the sign-in that follows comes back to. */
export const FORGOT_RETURN_PATH = `${BASE}/return`;

/** The step that a sign-in begins with, as its parameter `screen_hint` names it. */
export const FORGOT_HINT = 'forgot-password';

/** The way to a new password for people whom no application has sent. */
export function createForgotLink({ issuer }: { issuer: string }): Router {
  function begin(ctx: Context): void {
    const { tenant } = ctx.query;
    const path = pagesSignInPath(`${issuer}${FORGOT_RETURN_PATH}`, {
      prompt: 'login',
      screen_hint: FORGOT_HINT,
      tenant: typeof tenant === 'string' ? tenant : undefined,
    });
    ctx.status = 303;
    ctx.redirect(path);
  }

  /** Signed in with the new password, or given up: nobody waits for it. */
  function comeBack(ctx: Context): void {
    ctx.status = 303;
    ctx.redirect('/');
  }

  return new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = BASE;
      return next();
    })
    .get(BASE, begin)
    .get(FORGOT_RETURN_PATH, comeBack);
}
