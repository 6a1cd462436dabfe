import type { Context } from 'koa';
import type { AppError } from '../kernel/errors.ts';
import { type PageContext, type PageRenderer, stepPath } from './page-renderer.ts';

/** An OAuth error as the protocol names it (RFC 6749 4.1.2.1). */
interface OAuthError {
  error: string;
  error_description?: string | undefined;
}

export interface ErrorPages {
  /** A sign-in that is over: offers to start the same one again. */
  expired(ctx: Context, uid: string, context?: PageContext): Promise<void>;
  /** An error of the protocol that cannot be sent back to the application. */
  oauth(ctx: Context, error: OAuthError, context: PageContext): Promise<void>;
  /** Anything else that went wrong on a page. */
  failure(ctx: Context, error: AppError): Promise<void>;
  notFound(ctx: Context): Promise<void>;
}

/** How a sign-in that is over starts again, and whose client it was for, if that is still known. */
export interface Restart {
  path: string;
  tenantId: string | undefined;
}

/** Seconds after which a store that went away may be back. */
const RETRY_AFTER = 5;

const HOME = { href: '/', labelId: 'error.onward.home' };

/** Back to the step whose form was refused: it is still there, and nothing was changed. */
function backToStep(ctx: Context) {
  if (ctx.path.startsWith('/account/'))
    return { href: '/account', labelId: 'error.onward.account' };
  const href = stepPath(ctx.path);
  return href === undefined ? HOME : { href, labelId: 'error.onward.retry' };
}

const OAUTH_MESSAGES: Record<string, string> = {
  access_denied: 'error.access-denied',
  server_error: 'error.server-error',
  invalid_client: 'error.unknown-client',
  invalid_redirect_uri: 'error.redirect-uri',
  temporarily_unavailable: 'error.unavailable',
};

const MESSAGES: Partial<Record<AppError['code'], string>> = {
  IDENT_FORBIDDEN: 'error.csrf',
  IDENT_RATE_LIMITED: 'error.rate-limited',
  IDENT_LOCKED: 'error.locked',
  IDENT_HASH_BUSY: 'error.unavailable',
  IDENT_UNAVAILABLE: 'error.unavailable',
  IDENT_INTERNAL: 'error.server-error',
};

/** The interaction that a path belongs to. */
const interactionOf = (path: string): string | undefined =>
  /^\/interaction\/([\w-]+)/.exec(path)?.[1];

/** @param options `findRestart` gives the way to start a dead interaction again */
export function createErrorPages(options: {
  pages: PageRenderer;
  findRestart(uid: string): Promise<Restart | undefined>;
}): ErrorPages {
  const { pages } = options;
  const findRestart = (uid: string) => options.findRestart(uid).catch(() => undefined);

  /** The tenant of the sign-in that a form was refused in; an outage is not asked about it. */
  async function findTenant(ctx: Context, error: AppError): Promise<string | undefined> {
    const uid = interactionOf(ctx.path);
    if (uid === undefined || error.status >= 500) return undefined;
    return (await findRestart(uid))?.tenantId;
  }

  return {
    async expired(ctx, uid, context = {}) {
      const restart = await findRestart(uid);
      await pages.render(
        ctx,
        'error',
        {
          status: 400,
          titleId: 'error.expired.title',
          detailId: 'error.expired.detail',
          onward: restart ? { href: restart.path, labelId: 'error.onward.restart' } : HOME,
          technical: null,
        },
        { ...context, tenantId: context.tenantId ?? restart?.tenantId, status: 400 },
      );
    },
    async oauth(ctx, { error, error_description }, context) {
      const id = OAUTH_MESSAGES[error] ?? 'error.invalid-request';
      const status = context.status ?? 400;
      await pages.render(
        ctx,
        'error',
        {
          status,
          titleId: `${id}.title`,
          detailId: `${id}.detail`,
          onward: HOME,
          technical: { error, description: error_description ?? null },
        },
        { ...context, status },
      );
    },
    async failure(ctx, error) {
      const id = MESSAGES[error.code] ?? 'error.invalid-request';
      const { retryAfter = error.status === 503 ? RETRY_AFTER : undefined } = error.options;
      if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
      // The rest of an oversized form is not waited for.
      if (error.code === 'IDENT_PAYLOAD_TOO_LARGE') ctx.set('Connection', 'close');
      await pages.render(
        ctx,
        'error',
        {
          status: error.status,
          titleId: `${id}.title`,
          detailId: `${id}.detail`,
          values: { seconds: retryAfter ?? 60, minutes: Math.ceil((retryAfter ?? 60) / 60) },
          onward: backToStep(ctx),
          technical: null,
        },
        { tenantId: await findTenant(ctx, error), status: error.status },
      );
    },
    notFound: (ctx) => pages.render(ctx, 'not-found', { homeUrl: '/' }, { status: 404 }),
  };
}
