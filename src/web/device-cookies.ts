import type { Context } from 'koa';

/** The cookie by which an account knows a browser; with its prefix over HTTPS (ASVS 3.3.1). */
const NAME = 'gh_device';

/** Milliseconds that the cookie is kept: as long as the browser is remembered. */
const AGE = 365 * 24 * 3_600_000;

export interface DeviceCookies {
  /** The cookie as it came; null without one. What it is worth, sign-in decides. */
  read(ctx: Context): string | null;
  /** Sets what a sign-in gives; every page that signs people in calls it. */
  write(ctx: Context, signedIn: { device?: string }): void;
}

/** @param isSecure whether the pages are served over HTTPS */
export function createDeviceCookies(isSecure: boolean): DeviceCookies {
  const name = isSecure ? `__Host-${NAME}` : NAME;
  return {
    read: (ctx) => ctx.cookies.get(name, { signed: false }) ?? null,
    write(ctx, { device }) {
      if (device === undefined) return;
      // Its entries are signed each for itself, and not under the keys of cookies, which rotate.
      ctx.cookies.set(name, device, {
        signed: false,
        httpOnly: true,
        sameSite: 'lax',
        secure: isSecure,
        maxAge: AGE,
      });
    },
  };
}
