import { readFileSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { type App, ROUTES, sendError } from './actions.ts';
import { describeError, type ErrorView } from './errors.ts';
import { isFromOwnPage, readSessionCookie, send } from './http.ts';
import { createOidcClient, type OidcClient, ProviderUnavailable } from './oidc-client.ts';
import { type ClientKey, createSessionStore } from './sessions.ts';

/**
 * A relying party: an application that lets an OpenID Connect provider sign
 * people in. `oidc-client.ts` holds the protocol, `actions.ts` what each button does.
 */

export interface RelyingPartyOptions {
  /** The provider; everything else about it is discovered. */
  issuer: string;
  clientId: string;
  clientSecret?: string | undefined;
  /**
   * Where browsers reach this application. To register: `{baseUrl}/callback` as redirect
   * URI (`{baseUrl}/callback/second` for the second client) and `{baseUrl}/` for after sign-out.
   */
  baseUrl: string;
  /** Another client of the same provider, to see single sign-on. */
  secondClient?: { clientId: string; clientSecret?: string | undefined } | undefined;
  title?: string | undefined;
  /** What to ask for, separated by blanks. */
  scope?: string | undefined;
  /** The API that is called with the access token; default `{issuer}/api/v1/me`. */
  apiUrl?: string | undefined;
  /** Told of errors that people only see the outside of. */
  log?: ((error: unknown) => void) | undefined;
}

const readBeside = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

const FILES = new Map([
  ['/style.css', { type: 'text/css; charset=utf-8', body: readBeside('style.css') }],
  ['/icon.svg', { type: 'image/svg+xml', body: readBeside('icon.svg') }],
]);

const NOT_FOUND: ErrorView = {
  status: 404,
  title: 'There is nothing here',
  detail: 'The address may be mistyped.',
};

const FOREIGN_FORM: ErrorView = {
  status: 403,
  title: 'This came from another site',
  detail: 'Buttons work from the pages of this application only.',
};

async function answer(app: App, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const target = `${app.place.baseUrl}${request.url}`;
  const url = request.url?.startsWith('/') && URL.canParse(target) ? new URL(target) : undefined;
  const file = FILES.get(url?.pathname ?? '');
  if (file && method === 'GET') return send(response, app.place, { status: 200, ...file });
  const [, action = '', suffix, rest] = url?.pathname.split('/') ?? [];
  const key: ClientKey = suffix === 'second' ? 'second' : 'first';
  const route = ROUTES.get(action);
  const client = app.clients.get(key);
  const isExact = rest === undefined && (suffix === undefined || (action && key === 'second'));
  if (!url || !route || !client || !isExact) return sendError(app, response, NOT_FOUND);
  if (route.method !== method) {
    response.setHeader('allow', route.method === 'GET' ? 'GET, HEAD' : 'POST');
    return sendError(app, response, { ...NOT_FOUND, status: 405 });
  }
  if (method === 'POST' && !isFromOwnPage(request, app.place)) {
    return sendError(app, response, FOREIGN_FORM);
  }
  const session = app.sessions.find(readSessionCookie(request, app.place));
  await route.handle(app, { request, response, url, key, client, session });
}

/** One line for a provider that is away, which is no news; everything else in full. */
function logError(error: unknown): void {
  if (error instanceof ProviderUnavailable) {
    const { cause } = error;
    console.error(`${error.message}: ${cause instanceof Error ? cause.message : String(cause)}`);
  } else {
    console.error(error);
  }
}

function createApp(options: RelyingPartyOptions): App {
  const { issuer, clientId, clientSecret, secondClient } = options;
  const baseUrl = new URL(options.baseUrl).origin;
  const shared = { issuer, scope: options.scope ?? 'openid profile email' };
  const first = { clientId, clientSecret, redirectUri: `${baseUrl}/callback` };
  const clients = new Map<ClientKey, OidcClient>([['first', createOidcClient(first, shared)]]);
  if (secondClient) {
    const second = { ...secondClient, redirectUri: `${baseUrl}/callback/second` };
    clients.set('second', createOidcClient(second, shared));
  }
  return {
    place: { baseUrl, issuerOrigin: new URL(issuer).origin },
    site: {
      title: options.title ?? 'Demo application',
      issuer,
      clients: new Map([...clients].map(([key, { settings }]) => [key, settings.clientId])),
    },
    clients,
    sessions: createSessionStore(),
    apiUrl: new URL(options.apiUrl ?? `${issuer.replace(/\/$/, '')}/api/v1/me`),
    log: options.log ?? logError,
  };
}

/**
 * The relying party as a listener for `http.createServer`. The provider is not
 * asked for anything before somebody signs in, so it may start later.
 * @throws Error for an issuer that is neither https nor on localhost
 */
export function createRelyingParty(options: RelyingPartyOptions): RequestListener {
  const app = createApp(options);
  return (request, response) => {
    request.resume(); // No form of ours has fields: what comes along is not looked at.
    answer(app, request, response).catch((error: unknown) => {
      const view = describeError(error);
      if (view.status >= 500) app.log(error);
      if (response.headersSent) response.destroy();
      else sendError(app, response, view);
    });
  };
}

/** Reads the environment and listens: `node examples/relying-party/server.ts`. */
function main(): void {
  const setting = (name: string): string | undefined => process.env[name] || undefined;
  const clientId = setting('CLIENT_ID');
  if (!clientId) throw new Error('CLIENT_ID is required: the id of a client of the provider');
  const port = Number(setting('PORT') ?? 3001);
  const baseUrl = setting('BASE_URL') ?? `http://localhost:${port}`;
  const secondId = setting('SECOND_CLIENT_ID');
  const server = createServer(
    createRelyingParty({
      issuer: setting('ISSUER') ?? 'http://localhost:3000',
      clientId,
      clientSecret: setting('CLIENT_SECRET'),
      secondClient: secondId
        ? { clientId: secondId, clientSecret: setting('SECOND_CLIENT_SECRET') }
        : undefined,
      title: setting('TITLE'),
      baseUrl,
    }),
  );
  server.listen(port, () => console.log(`The relying party is at ${baseUrl}`));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => server.close().closeAllConnections());
  }
}

if (import.meta.main) main();
