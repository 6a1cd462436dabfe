import type { Context } from 'koa';

/** The cookie that names the sign-in a mail was asked for in; with its prefix over HTTPS. */
const NAME = 'gh_onward';

/** Milliseconds that it is kept: as long as the sign-in waits. */
const AGE = 3_600_000;

/**
 * The way back to a sign-in from a link in a mail, in the browser that it was
 * begun in. It only says where to go: who may see that, the sign-in decides.
 */
export interface Onward {
  note(ctx: Context, uid: string): void;
  /** The address of the sign-in that was left, if this browser left one. */
  find(ctx: Context): string | null;
}

/** @param isSecure whether the pages are served over HTTPS */
export function createOnward(isSecure: boolean): Onward {
  const name = isSecure ? `__Host-${NAME}` : NAME;
  return {
    note(ctx, uid) {
      ctx.cookies.set(name, uid, {
        signed: false,
        httpOnly: true,
        sameSite: 'lax',
        secure: isSecure,
        maxAge: AGE,
      });
    },
    find(ctx) {
      const uid = ctx.cookies.get(name, { signed: false });
      return uid && /^[\w-]{1,64}$/.test(uid) ? `/interaction/${uid}/sign-in` : null;
    },
  };
}
