import type { ErrorView } from './errors.ts';
import { type Html, html } from './html.ts';
import type { SignIn } from './oidc-client.ts';
import type { ClientKey, Outcome, Session } from './sessions.ts';

/** What every page of this application knows. */
export interface Site {
  title: string;
  issuer: string;
  /** Client ids of the registered clients, the first one first. */
  clients: ReadonlyMap<ClientKey, string>;
}

/** What claims are for, in the words of somebody who meets them for the first time. */
const MEANINGS = new Map([
  ['iss', 'who issued it'],
  ['sub', 'the person, by an id that never changes'],
  ['aud', 'whom it is for'],
  ['exp', 'valid until'],
  ['iat', 'issued at'],
  ['nbf', 'not valid before'],
  ['jti', 'id of this token'],
  ['nonce', 'ties it to this sign-in'],
  ['at_hash', 'ties it to the access token'],
  ['sid', 'the session at the provider'],
  ['auth_time', 'when the person signed in'],
  ['amr', 'how the person signed in'],
  ['acr', 'how strong that was'],
  ['client_id', 'the application'],
  ['scope', 'what it may do'],
  ['tid', 'the tenant it acts in'],
  ['tids', 'every tenant of the person'],
  ['name', 'full name'],
  ['email_verified', 'whether the address was proven'],
]);

const TIMES = new Set(['exp', 'iat', 'nbf', 'auth_time', 'updated_at']);

/** Latest time that a Date can hold, in seconds. */
const LATEST = 8_640_000_000_000;

function claimText(name: string, value: unknown): string {
  if (typeof value === 'number' && TIMES.has(name) && Math.abs(value) <= LATEST) {
    const time = new Date(value * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
    return `${value} (${time})`;
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

// <bdi> keeps a name with right-to-left characters from rearranging what stands around it.
const claimRow = ([name, value]: [string, unknown]): Html => html`
          <tr>
            <th scope="row"><code>${name}</code> <small>${MEANINGS.get(name)}</small></th>
            <td><bdi>${claimText(name, value)}</bdi></td>
          </tr>`;

function claimsTable(caption: string, claims: Readonly<Record<string, unknown>>): Html {
  return html`
      <div class="scroll" role="region" aria-label="${caption}" tabindex="0">
        <table>
          <caption>${caption}</caption>
          <tbody>${Object.entries(claims).map(claimRow)}
          </tbody>
        </table>
      </div>`;
}

/**
 * The claims of a JWT, unverified, or undefined for an opaque token. Only good
 * for showing: an access token is for the API, and only the API may judge it.
 */
export function decodeJwt(token: string): Record<string, unknown> | undefined {
  const [, payload = '', signature] = token.split('.');
  if (signature === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const isObject = typeof claims === 'object' && claims !== null && !Array.isArray(claims);
    return isObject ? (claims as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The path of an action, for the client that it is about. */
const pathOf = (action: string, key: ClientKey): string =>
  key === 'first' ? `/${action}` : `/${action}/${key}`;

const button = (action: string, key: ClientKey, label: string, style = 'plain'): Html => html`
        <form method="post" action="${pathOf(action, key)}">
          <button class="${style}" type="submit">${label}</button>
        </form>`;

function displayName(claims: Readonly<Record<string, unknown>>): string {
  const candidates = [claims.name, claims.preferred_username, claims.email];
  const isName = (value: unknown) => typeof value === 'string' && value.trim() !== '';
  return String(candidates.find(isName) ?? claims.sub);
}

function initialOf(name: string): string {
  const [first] = new Intl.Segmenter().segment(name);
  return first?.segment.toUpperCase() ?? '?';
}

function signInCard(site: Site, key: ClientKey, signIn: SignIn): Html {
  const known = { ...signIn.claims, ...signIn.profile };
  const name = displayName(known);
  const { email } = known;
  const access = decodeJwt(signIn.accessToken);
  return html`
    <section class="card" aria-labelledby="person-${key}">
      <div class="person">
        <span class="avatar" aria-hidden="true">${initialOf(name)}</span>
        <div>
          <h2 id="person-${key}"><bdi>${name}</bdi></h2>
          <p>${typeof email === 'string' && email !== name ? html`<bdi>${email}</bdi> · ` : undefined}signed in to client <code>${site.clients.get(key)}</code></p>
        </div>
      </div>
      <div class="actions">
        ${signIn.refreshToken ? button('refresh', key, 'Refresh tokens') : undefined}
        ${button('userinfo', key, 'Call userinfo')}
        ${button('api', key, 'Call the API')}
        ${button('sign-out', key, 'Sign out')}
        ${button('forget', key, 'Forget locally', 'quiet')}
      </div>
      ${claimsTable('ID token', signIn.claims)}
      ${access ? claimsTable('Access token', access) : html`<p>The access token is opaque: it says nothing by itself.</p>`}
    </section>`;
}

function outcomePanel({ title, body, isError }: Outcome): Html {
  return html`
    <section class="outcome${isError ? ' failed' : ''}" role="${isError ? 'alert' : 'status'}">
      <h2>${title}</h2>
      ${body === undefined ? undefined : html`<pre tabindex="0">${body}</pre>`}
    </section>`;
}

const SIGN_IN_LABELS = { first: 'Sign in', second: 'Sign in with the second client' } as const;

function signInPanel(site: Site, session: Session | undefined): Html {
  const open = [...site.clients.keys()].filter((key) => !session?.signIns.has(key));
  if (open.length === 0) return html``;
  const isSignedIn = (session?.signIns.size ?? 0) > 0;
  const text = isSignedIn
    ? 'The provider knows you already: another application signs you in without asking for your password.'
    : 'This application has no passwords. It sends you to the provider and learns who you are.';
  return html`
    <section class="card invitation" aria-labelledby="invitation">
      <h2 id="invitation">${isSignedIn ? 'Single sign-on' : 'You are not signed in'}</h2>
      <p>${text}</p>
      <div class="actions">${open.map((key, index) => button('sign-in', key, SIGN_IN_LABELS[key], index === 0 ? 'primary' : 'plain'))}
      </div>
    </section>`;
}

function layout(site: Site, title: string, content: Html): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${title}</title>
  <link rel="icon" href="/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/style.css">
</head>
<body>
  <header>
    <a class="brand" href="/">${site.title}</a>
    <p>provider: <a href="${site.issuer}">${site.issuer}</a></p>
  </header>
  <main>${content}
  </main>
</body>
</html>
`.toString();
}

/** The only page with something to do: who is signed in, and the buttons. */
export function homePage(site: Site, session: Session | undefined): string {
  const signIns = [...(session?.signIns ?? [])];
  const content = html`
    <h1>${signIns.length > 0 ? 'You are signed in' : `Welcome to ${site.title}`}</h1>
    ${session?.outcome ? outcomePanel(session.outcome) : undefined}
    ${signInPanel(site, session)}
    ${signIns.map(([key, signIn]) => signInCard(site, key, signIn))}`;
  return layout(site, site.title, content);
}

/** A page for what went wrong, with a way onward. */
export function errorPage(site: Site, error: ErrorView): string {
  const content = html`
    <section class="card problem">
      <h1>${error.title}</h1>
      <p>${error.detail}</p>
      ${error.technical ? html`<p class="technical"><code>${error.technical}</code></p>` : undefined}
      <p><a class="button" href="/">Back to the start</a></p>
    </section>`;
  return layout(site, `${error.title} · ${site.title}`, content);
}
