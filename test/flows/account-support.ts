import assert from 'node:assert/strict';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';
import type { World } from './support.ts';

/** A browser that is signed in to the account page, and the page that it shows. */
export interface Visitor {
  agent: UserAgent;
  page: { response: Response; url: URL; html: string };
}

type Credentials = Record<'identifier' | 'password', string>;

export const ownerOf = ({ people: { user } }: Pick<World, 'people'>): Credentials => ({
  identifier: user.email,
  password: user.password,
});

/** Asks for a page of the account page and signs in on the page that this leads to. */
export async function enterAccount(
  world: Pick<World, 'url' | 'people'>,
  path = '/account',
  who: Credentials = ownerOf(world),
  agent: UserAgent = createUserAgent(world.url),
): Promise<Visitor> {
  const signIn = await agent.follow(path);
  assert.match(signIn.url.pathname, /^\/interaction\//, signIn.html);
  return { agent, page: await agent.submit(signIn, '/sign-in', who) };
}

/** Follows redirects until the one that a sign-in comes back by, which is not followed. */
async function stopAtReturn(agent: UserAgent, response: Response): Promise<URL> {
  let found = response;
  for (let hops = 0; hops < 8; hops += 1) {
    const location = found.headers.get('location') ?? '';
    assert.notEqual(location, '', `${found.url} leads nowhere`);
    if (location.includes('/account/return?')) return new URL(location);
    found = await agent.fetch(location);
  }
  throw new Error('this sign-in does not come back');
}

/** Signs in, and returns the address with the code that the browser was sent to, not opened. */
export async function signInUpToReturn(
  agent: UserAgent,
  who: Credentials,
  path = '/account',
): Promise<URL> {
  const form = findForm(await agent.follow(path), '/sign-in');
  const body = new URLSearchParams({ ...form.fields, ...who });
  return stopAtReturn(agent, await agent.fetch(form.action, { method: 'POST', body }));
}

/** What a page answers to a browser that has these cookies and no others. */
export const askWith = (url: string, cookie: string, path = '/account'): Promise<Response> =>
  fetch(new URL(path, url), { redirect: 'manual', headers: { accept: 'text/html', cookie } });

/** Whether the account page takes this for nobody: it sends the browser to sign in. */
export const isSentToSignIn = ({ status, headers }: Response): boolean =>
  status === 303 && (headers.get('location') ?? '').startsWith('/authorize?');
