import type { Context, Middleware } from 'koa';
import type { Config } from '../config.ts';
import { describeUser, type UserService } from '../features/user/index.ts';
import { requestFacts } from '../kernel/http/index.ts';
import type { PageRenderer } from './page-renderer.ts';

/** The front page: what this is, who is signed in, where discovery is. */
export function landingRoutes(deps: {
  config: Config;
  /** The account that this browser is signed in to. */
  findSignedIn(ctx: Context): Promise<string | undefined>;
  users: Pick<UserService, 'findAccount'>;
  pages: PageRenderer;
}): Middleware {
  const { ISSUER } = deps.config;
  return async (ctx, next) => {
    if (ctx.path !== '/' || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    requestFacts(ctx.req).route = '/';
    const accountId = await deps.findSignedIn(ctx);
    const account = accountId ? await deps.users.findAccount(accountId) : undefined;
    await deps.pages.render(
      ctx,
      'landing',
      {
        signedIn: account ? describeUser(account.user) : null,
        issuer: ISSUER,
        discoveryUrl: `${ISSUER}/.well-known/openid-configuration`,
        everywhereUrl: '/logout/everywhere',
        accountUrl: '/account',
        docsLinks: [{ href: '/openapi.json', labelId: 'landing.docs.api' }],
        demoUrl: deps.config.DEMO_URL ?? null,
      },
      { tenantId: account?.user.tenantId },
    );
  };
}
