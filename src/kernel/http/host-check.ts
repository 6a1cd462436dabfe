import type { Middleware } from 'koa';
import { AppError } from '../errors.ts';
import type { Proxies } from './proxies.ts';

const DEFAULT_PORT = /:(?:80|443)$/;

/**
 * Serves only the issuer's host and its aliases: links, cookies and tokens are
 * made for that host, and a page under another name would be a stranger's.
 * @param options `exempt` tells paths that probes ask by address (health, metrics)
 * @throws AppError IDENT_MISDIRECTED (421, RFC 9110 15.5.20) from the middleware
 */
export function checkHost(options: {
  issuer: string;
  aliases: readonly string[];
  proxies: Pick<Proxies, 'host'>;
  exempt(path: string): boolean;
}): Middleware {
  const plain = (host: string) => host.toLowerCase().replace(DEFAULT_PORT, '');
  const served = new Set([new URL(options.issuer).host, ...options.aliases].map(plain));
  return async (ctx, next) => {
    const host = options.proxies.host(ctx.req);
    if ((host === null || !served.has(plain(host))) && !options.exempt(ctx.path)) {
      throw new AppError('IDENT_MISDIRECTED');
    }
    return next();
  };
}
