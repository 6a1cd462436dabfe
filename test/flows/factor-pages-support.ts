import assert from 'node:assert/strict';
import type { TestClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';
import type { MfaWorld, Person } from './mfa-support.ts';
import { addressesIn } from './sign-in-support.ts';

const newAddress = addressesIn('203.0.113');

export type Shown = Awaited<ReturnType<UserAgent['follow']>>;

/** A sign-in that was begun in a browser. */
export interface Opened {
  agent: UserAgent;
  page: Shown;
  request: Awaited<ReturnType<typeof authorizationRequest>>;
  configuration: Awaited<ReturnType<typeof discover>>;
  uid: string;
  client: TestClient;
}

/** A browser of its own, at an address of its own, so that no two tests share a budget. */
export const newBrowser = (world: Pick<MfaWorld, 'url'>): UserAgent =>
  createUserAgent(world.url, { 'x-forwarded-for': newAddress() });

/** Sends a browser with an authorization request; an application's is that of `client`. */
export async function openSignIn(
  world: MfaWorld,
  options: { agent?: UserAgent; parameters?: Record<string, string>; client?: TestClient } = {},
): Promise<Opened> {
  const { agent = newBrowser(world), client = world.client } = options;
  const configuration = await discover(world.url, client);
  const request = await authorizationRequest(
    configuration,
    client.redirectUri,
    options.parameters ?? {},
  );
  const page = await agent.follow(request.url);
  const uid = /^\/interaction\/([\w-]+)/.exec(page.url.pathname)?.[1] ?? '';
  return { agent, page, request, configuration, uid, client };
}

export const enterPassword = (
  { agent, page }: Pick<Opened, 'agent' | 'page'>,
  { email, password }: Pick<Person, 'email' | 'password'>,
): Promise<Shown> => agent.submit(page, '/sign-in', { identifier: email, password });

/** A sign-in in which the password was right. */
export async function openFactor(
  world: MfaWorld,
  person: Person,
  options: Parameters<typeof openSignIn>[1] = {},
): Promise<Opened> {
  const opened = await openSignIn(world, options);
  return { ...opened, page: await enterPassword(opened, person) };
}

export const pathOf = ({ url }: Pick<Shown, 'url'>): string => url.pathname;

/** The page of an interaction that is shown, without its id. */
export const stepOf = ({ url }: Pick<Shown, 'url'>): string =>
  url.pathname.replace(/^\/interaction\/[\w-]+/, '') || '/';

export const heading = ({ html }: Pick<Shown, 'html'>): string =>
  (/<h1>([\s\S]*?)<\/h1>/.exec(html)?.[1] ?? '').replace(/<[^>]*>/g, '');

/** The code that the way back to the application carries; undefined anywhere else. */
export const codeIn = ({ url }: Pick<Shown, 'url'>): string | undefined =>
  url.searchParams.get('code') ?? undefined;

/** Posts a form as it is; what the page says of it is not looked at. */
export const postTo = (
  { agent }: Pick<Opened, 'agent'>,
  path: string,
  fields: Record<string, string>,
): Promise<Shown> => agent.follow(path, { method: 'POST', body: new URLSearchParams(fields) });

/** The claims that the application gets in the end; codes live a minute by the real clock. */
export async function claimsOf(opened: Opened, end: Shown) {
  assert.ok(codeIn(end), `no code at ${end.url}: ${heading(end)}`);
  const tokens = await exchange(opened.configuration, opened.request, end.url);
  return tokens.claims() ?? assert.fail('no ID token');
}

/** Who has just signed in, and how, of a sign-in that led back to the application with a code. */
export async function signedInBy(world: MfaWorld, end: Shown) {
  assert.ok(codeIn(end), `no code at ${end.url}: ${heading(end)}`);
  const found = await world.deps.postgres
    .knex('outbox_events')
    .where({ type: 'identity.user.logged_in.v1' })
    .orderBy('seq', 'desc')
    .first('data');
  const { userId, amr } = found.data as { userId: string; amr: string[] };
  return { userId, amr: amr.join(' ') };
}

/** Fails unless nobody is signed in in this browser, whatever is asked (GHSA-xg6x-h9c9-2m83). */
export async function assertNobody(world: MfaWorld, { agent }: Pick<Opened, 'agent'>) {
  const silent = await openSignIn(world, { agent, parameters: { prompt: 'none' } });
  assert.equal(silent.page.url.searchParams.get('error'), 'login_required');
  const account = await agent.fetch('/account');
  assert.equal(account.status, 303);
  const everywhere = await agent.fetch('/logout/everywhere');
  assert.notEqual(everywhere.status, 200);
}

export { findForm };
