import type { Middleware } from 'koa';
import { AppError } from '../errors.ts';

/**
 * Spellings that a proxy and an application may read differently: `//`, dot
 * segments, back-slashes, matrix parameters, encoded separators, encoded dots,
 * NUL, double encoding, broken escapes (CVE-2026-0976).
 */
const ODD = /\/\/|;|\\|%(?:2e|2f|5c|3b|25|00)|%(?![0-9a-f]{2})|\/\.{1,2}(?:\/|$)|[^\x21-\x7e]/i;

/** Whether every reader of this path, as received, agrees on what it names. */
export const isPlainPath = (path: string): boolean => path.startsWith('/') && !ODD.test(path);

/** Whether a path lies at or below a base, on a segment border. */
export const isUnder = (path: string, base: string): boolean =>
  path === base || path.startsWith(`${base}/`);

/**
 * Refuses such paths before anything routes them.
 * @throws AppError IDENT_NOT_FOUND from the middleware
 */
export const refuseOddPaths = (): Middleware => (ctx, next) => {
  if (!isPlainPath(ctx.path)) throw new AppError('IDENT_NOT_FOUND');
  return next();
};
