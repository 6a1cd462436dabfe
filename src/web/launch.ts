import type { Middleware } from 'koa';
import { z } from 'zod';
import type { ClientMetadata, ClientService } from '../features/client/index.ts';
import { AppError } from '../kernel/errors.ts';
import { requestFacts } from '../kernel/http/index.ts';

const LAUNCH = /^\/launch\/([^/]{1,768})$/;

/** What may be passed on (OpenID Connect Core 4); each once, anything else is left behind. */
const query = z.object({
  target_link_uri: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .optional(),
  login_hint: z.string().min(1).max(256).optional(),
});

/** The client id in a path. @throws AppError IDENT_NOT_FOUND for what does not decode */
function toClientId(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new AppError('IDENT_NOT_FOUND');
  }
}

/** Where the client has said that it lives. */
const originsOf = ({ initiate_login_uri, client_uri, redirect_uris }: ClientMetadata): unknown[] =>
  [initiate_login_uri, client_uri, ...(Array.isArray(redirect_uris) ? redirect_uris : [])].map(
    (uri) => (typeof uri === 'string' ? URL.parse(uri)?.origin : undefined),
  );

function parse(given: unknown, metadata: ClientMetadata): z.infer<typeof query> {
  const parsed = query.safeParse(given);
  if (!parsed.success) {
    const errors = parsed.error.issues.map(({ path, message }) => ({
      path: path.join('.'),
      message,
    }));
    throw new AppError('IDENT_VALIDATION', { errors });
  }
  const target = parsed.data.target_link_uri;
  if (target === undefined || originsOf(metadata).includes(new URL(target).origin)) {
    return parsed.data;
  }
  throw new AppError('IDENT_VALIDATION', {
    errors: [{ path: 'target_link_uri', message: 'is not an address of the application' }],
  });
}

/**
 * `GET /launch/:client_id`, for portals and bookmarks: sends the browser to the
 * application's `initiate_login_uri`, which begins a sign-in here with `state`
 * and PKCE of its own (third-party-initiated login, OpenID Connect Core 4). It
 * redirects to registered addresses only, so it is no open redirector, and it
 * tells nothing of who is signed in.
 */
export function launchRoutes(deps: {
  issuer: string;
  clients: Pick<ClientService, 'find'>;
}): Middleware {
  return async (ctx, next) => {
    const segment = LAUNCH.exec(ctx.path)?.[1];
    if (segment === undefined || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    requestFacts(ctx.req).route = '/launch/:client_id';
    const metadata = (await deps.clients.find(toClientId(segment)))?.metadata;
    const uri = metadata?.initiate_login_uri;
    if (!metadata || typeof uri !== 'string') throw new AppError('IDENT_NOT_FOUND');
    const { target_link_uri, login_hint } = parse(ctx.query, metadata);
    const target = new URL(uri);
    target.searchParams.set('iss', deps.issuer);
    if (login_hint !== undefined) target.searchParams.set('login_hint', login_hint);
    if (target_link_uri !== undefined) {
      target.searchParams.set('target_link_uri', target_link_uri);
    }
    ctx.set('Cache-Control', 'no-store');
    ctx.status = 303;
    ctx.redirect(target.href);
  };
}
