import type { Context } from 'koa';
import type { z } from 'zod';
import type { Sealer } from '../infra/sealing.ts';

/** Longest cookie that is looked at, in characters. */
const LONGEST = 3_072;

/** A cookie that only this service can read and write. */
export interface SealedCookie<T> {
  /** What it says; undefined without one, and where it is not one of ours. */
  read(ctx: Context): T | undefined;
  write(ctx: Context, value: T): void;
  clear(ctx: Context): void;
}

/** Whether a request has exactly one cookie of this name: of two nobody can say which is ours. */
const isOnce = (ctx: Context, name: string): boolean =>
  ctx
    .get('cookie')
    .split(';')
    .filter((pair) => pair.split('=', 1)[0]?.trim() === name).length === 1;

/**
 * Keeps small facts in the browser, sealed under the key-encryption key: it can
 * neither read nor change them, nor move them to a cookie of another name.
 * Whatever else comes under the name is as good as no cookie (CVE-2026-25748).
 *
 * @param options `name` gets its prefix over HTTPS (ASVS 3.3.1); `maxAge` in
 *   milliseconds, without it the cookie ends with the browser
 */
export function createSealedCookie<T>(options: {
  name: string;
  schema: z.ZodType<T>;
  sealer: Pick<Sealer, 'seal' | 'open'>;
  isSecure: boolean;
  maxAge?: number;
}): SealedCookie<T> {
  const { schema, sealer, isSecure, maxAge } = options;
  const name = isSecure ? `__Host-${options.name}` : options.name;
  const shared = {
    signed: false,
    httpOnly: true,
    sameSite: 'lax' as const,
    secure: isSecure,
    path: '/',
    ...(maxAge === undefined ? {} : { maxAge }),
  };
  return {
    read(ctx) {
      const value = isOnce(ctx, name) ? ctx.cookies.get(name, { signed: false }) : undefined;
      if (!value || value.length > LONGEST) return undefined;
      try {
        const text = sealer.open(Buffer.from(value, 'base64url'), options.name).toString();
        return schema.parse(JSON.parse(text));
      } catch {
        return undefined;
      }
    },
    write(ctx, value) {
      const sealed = sealer.seal(JSON.stringify(value), options.name).toString('base64url');
      ctx.cookies.set(name, sealed, shared);
    },
    clear: (ctx) => void ctx.cookies.set(name, null, shared),
  };
}
