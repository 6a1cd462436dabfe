import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describeError, type ErrorView } from './errors.ts';
import { type Place, redirect, send, setSessionCookie } from './http.ts';
import type { ApiAnswer, OidcClient, SignIn } from './oidc-client.ts';
import { errorPage, homePage, type Site } from './pages.ts';
import {
  addPending,
  type ClientKey,
  type Outcome,
  type Session,
  type SessionStore,
  takePending,
} from './sessions.ts';

/** What lives as long as the application. */
export interface App {
  place: Place;
  site: Site;
  clients: ReadonlyMap<ClientKey, OidcClient>;
  sessions: SessionStore;
  apiUrl: URL;
  log: (error: unknown) => void;
}

/** One request, with what is known about it. */
export interface Visit {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  key: ClientKey;
  client: OidcClient;
  session: Session | undefined;
}

type Handler = (app: App, visit: Visit) => Promise<void> | void;

const HTML = 'text/html; charset=utf-8';

/** Shows what went wrong. */
export function sendError(app: App, response: ServerResponse, error: ErrorView): void {
  const body = errorPage(app.site, error);
  send(response, app.place, { status: error.status, type: HTML, body });
}

/** Shows what a button brought: on the start page, so that reloading repeats nothing. */
function showOutcome(app: App, { response, session }: Visit, outcome: Outcome): void {
  if (session) session.outcome = outcome;
  redirect(response, app.place, '/');
}

const showHome: Handler = (app, visit) => {
  const { session, url } = visit;
  const state = url.searchParams.get('state');
  if (session?.signOutState !== undefined && session.signOutState === state) {
    delete session.signOutState;
    return showOutcome(app, visit, { title: 'You are signed out of this application' });
  }
  const body = homePage(app.site, session);
  send(visit.response, app.place, { status: 200, type: HTML, body });
};

const startSignIn: Handler = async (app, { response, session, client, key }) => {
  const { url, pending } = await client.begin();
  const current = session ?? app.sessions.create();
  addPending(current, pending, key);
  setSessionCookie(response, app.place, current.id);
  redirect(response, app.place, url);
};

const NOT_STARTED_HERE: ErrorView = {
  status: 400,
  title: 'This sign-in was not started here',
  detail: 'It is too old, was completed before, or began in another browser. Please start again.',
};

const finishSignIn: Handler = async (app, { response, session, client, key, url }) => {
  const pending = takePending(session, url.searchParams.get('state'), key);
  if (!session || !pending) return sendError(app, response, NOT_STARTED_HERE);
  session.signIns.set(key, await client.finish(url, pending));
  delete session.outcome;
  app.sessions.renew(session);
  setSessionCookie(response, app.place, session.id);
  redirect(response, app.place, '/');
};

/** Refreshes once, however often it is asked for at the same time. */
function refreshOnce({ session, client, key }: Visit, signIn: SignIn): Promise<void> {
  const running = session?.refreshing.get(key);
  if (running) return running;
  const refreshing = client
    .refresh(signIn)
    .then((next) => {
      // Whoever signed out in the meantime stays signed out.
      if (session?.signIns.has(key)) session.signIns.set(key, next);
    })
    .finally(() => session?.refreshing.delete(key));
  session?.refreshing.set(key, refreshing);
  return refreshing;
}

function toOutcome(error: unknown, app: App): Outcome {
  const { status, title, detail, technical } = describeError(error);
  if (status >= 500) app.log(error);
  return { title, body: [detail, technical].filter(Boolean).join('\n'), isError: true };
}

/** A button that needs somebody signed in; what goes wrong is shown on the start page. */
function forSignedIn(act: (app: App, visit: Visit, signIn: SignIn) => Promise<Outcome>): Handler {
  return async (app, visit) => {
    const signIn = visit.session?.signIns.get(visit.key);
    if (!signIn) return redirect(visit.response, app.place, '/');
    const outcome = await act(app, visit, signIn).catch((error: unknown) => toOutcome(error, app));
    showOutcome(app, visit, outcome);
  };
}

const refreshTokens = forSignedIn(async (app, visit, signIn) => {
  try {
    await refreshOnce(visit, signIn);
    return { title: 'New tokens are here' };
  } catch (error) {
    const view = describeError(error);
    // The provider ended this sign-in, so it is over here too.
    if (view.technical?.startsWith('invalid_grant')) visit.session?.signIns.delete(visit.key);
    return toOutcome(error, app);
  }
});

const callUserInfo = forSignedIn(async (_app, { client }, signIn) => {
  const body = JSON.stringify(await client.fetchUserInfo(signIn), null, 2);
  return { title: 'Userinfo says', body };
});

function pretty({ body }: ApiAnswer): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

const callApi = forSignedIn(async (app, { client }, signIn) => {
  const answer = await client.callApi(signIn, app.apiUrl);
  const title = `GET ${app.apiUrl.pathname} answers ${answer.status}`;
  return { title, body: pretty(answer), isError: answer.status >= 400 };
});

/** Forgets everything here first: whatever happens at the provider, here it is over. */
const signOut: Handler = async (app, { response, session, client, key }) => {
  const signIn = session?.signIns.get(key);
  if (!session || !signIn) return redirect(response, app.place, '/');
  app.sessions.remove(session);
  const next = app.sessions.create();
  next.signOutState = randomUUID();
  setSessionCookie(response, app.place, next.id);
  const returnTo = `${app.place.baseUrl}/`;
  redirect(
    response,
    app.place,
    await client.endSessionUrl(signIn, { returnTo, state: next.signOutState }),
  );
};

const forget: Handler = (app, { response, session }) => {
  if (session) app.sessions.remove(session);
  setSessionCookie(response, app.place, undefined);
  redirect(response, app.place, '/');
};

/** Every route. Those below a name take `/second` at the end, for the second client. */
export const ROUTES = new Map<string, { method: 'GET' | 'POST'; handle: Handler }>([
  ['', { method: 'GET', handle: showHome }],
  ['callback', { method: 'GET', handle: finishSignIn }],
  ['sign-in', { method: 'POST', handle: startSignIn }],
  ['refresh', { method: 'POST', handle: refreshTokens }],
  ['userinfo', { method: 'POST', handle: callUserInfo }],
  ['api', { method: 'POST', handle: callApi }],
  ['sign-out', { method: 'POST', handle: signOut }],
  ['forget', { method: 'POST', handle: forget }],
]);
