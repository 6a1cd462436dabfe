/** Types of the deep imports in internals.ts; upstream ships none. */
declare module 'oidc-provider/lib/actions/authorization/index.js' {
  export default function steps(endpoint: string): import('koa').Middleware[];
}
declare module 'oidc-provider/lib/actions/discovery.js' {
  const step: import('koa').Middleware;
  export default step;
}
declare module 'oidc-provider/lib/actions/introspection.js' {
  const stack: import('koa').Middleware[];
  export default stack;
}
declare module 'oidc-provider/lib/actions/registration.js' {
  export const post: import('koa').Middleware[];
  export const put: import('koa').Middleware[];
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
    helpers: object,
    ctx: import('oidc-provider').KoaContextWithOIDC,
  ): Promise<void>;
}
declare module 'oidc-provider/lib/helpers/als.js' {
  const storage: import('node:async_hooks').AsyncLocalStorage<
    import('oidc-provider').KoaContextWithOIDC
  >;
  export default storage;
}
declare module 'oidc-provider/lib/helpers/grant_common.js' {
  export function issueTokens(
    provider: import('oidc-provider').Provider,
    helpers: object,
    ctx: import('oidc-provider').KoaContextWithOIDC,
    source: object,
    grant: import('oidc-provider').Grant,
    options: { gty: string; entityLabel: string },
  ): Promise<void>;
}
declare module 'oidc-provider/lib/helpers/grants.js' {
  const helpers: Record<string, (...args: unknown[]) => unknown>;
  export = helpers;
}
declare module 'oidc-provider/lib/helpers/weak_cache.js' {
  /** The inside of a provider: its effective configuration. */
  export default function instance(provider: import('oidc-provider').Provider): {
    grantTypeHandlers: Map<
      string,
      (ctx: import('oidc-provider').KoaContextWithOIDC) => Promise<void>
    >;
    configuration: {
      dPoPSigningAlgValues: string[];
      features: {
        mTLS: {
          enabled: boolean;
          getCertificate(ctx: unknown): import('node:crypto').X509Certificate | string | undefined;
        };
      };
      ttl: {
        Session(
          ctx: import('oidc-provider').KoaContextWithOIDC,
          session: InstanceType<import('oidc-provider').Provider['Session']>,
        ): number;
      };
      findAccount(
        ctx: unknown,
        accountId: string,
        source?: unknown,
      ): Promise<import('oidc-provider').Account | undefined>;
    };
  };
}
declare module 'oidc-provider/lib/helpers/certificate_thumbprint.js' {
  export default function thumbprint(
    certificate: import('node:crypto').X509Certificate | string,
  ): string;
}
