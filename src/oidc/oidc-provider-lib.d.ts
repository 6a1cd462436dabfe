/** Types of the deep imports in internals.ts; upstream ships none. */
declare module 'oidc-provider/lib/actions/discovery.js' {
  const step: import('koa').Middleware;
  export default step;
}
declare module 'oidc-provider/lib/actions/introspection.js' {
  const stack: import('koa').Middleware[];
  export default stack;
}
declare module 'oidc-provider/lib/actions/revocation.js' {
  const stack: import('koa').Middleware[];
  export default stack;
}
declare module 'oidc-provider/lib/actions/userinfo.js' {
  const stack: import('koa').Middleware[];
  export default stack;
}
declare module 'oidc-provider/lib/actions/grants/refresh_token.js' {
  export function handler(
    provider: import('oidc-provider').Provider,
    helpers: Record<string, unknown>,
    ctx: import('oidc-provider').KoaContextWithOIDC,
  ): Promise<void>;
}
declare module 'oidc-provider/lib/helpers/grants.js' {
  const helpers: Record<string, (...args: unknown[]) => unknown>;
  export = helpers;
}
