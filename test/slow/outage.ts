import assert from 'node:assert/strict';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import {
  basic,
  bearer,
  isDeadEverywhere,
  postForm,
  refresh,
  signInForTokens,
} from '../flows/support.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import type { Installation } from './support.ts';

/** What is asked again and again while a store is away. */

/** Milliseconds that no answer may take, whatever is down. */
const PATIENCE = 10_000;

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  json: Record<string, unknown>;
}

/** A request that must be answered in time. */
export async function ask(url: string | URL, init: RequestInit = {}): Promise<Reply> {
  const begin = performance.now();
  const response = await fetch(url, {
    redirect: 'manual',
    ...init,
    signal: AbortSignal.timeout(PATIENCE),
  });
  const text = await response.text();
  const took = performance.now() - begin;
  assert.ok(took < PATIENCE, `${String(url)} took ${took} ms`);
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, text, json };
}

/** What was obtained while all was well, to be used while it is not. */
export async function prepare(installation: Installation) {
  const { url, client, people } = installation;
  const tokens = await signInForTokens(installation);
  const revoked = await signInForTokens(installation);
  await postForm(`${url}/revoke`, { token: revoked.accessToken }, basic(client));
  const keys = createLocalJWKSet((await ask(`${url}/jw-certs`)).json as unknown as JSONWebKeySet);
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri);
  const agent = createUserAgent(url);
  const page = await agent.follow(request.url);
  const { action, fields } = findForm(page, '/sign-in');
  const { email, password } = people.user;
  return {
    tokens,
    authorize: () => ask(request.url, { headers: { accept: 'text/html' } }),
    /** Submits the sign-in page that was opened before. */
    async submit(): Promise<Reply> {
      const response = await agent.fetch(action, {
        method: 'POST',
        body: new URLSearchParams({ ...fields, identifier: email, password }),
        signal: AbortSignal.timeout(PATIENCE),
      });
      return {
        status: response.status,
        headers: response.headers,
        text: await response.text(),
        json: {},
      };
    },
    ready: () => ask(`${url}/health/ready`),
    me: () => ask(`${url}/api/v1/me`, { headers: bearer(tokens.accessToken) }),
    userinfo: () => ask(`${url}/userinfo`, { headers: bearer(tokens.accessToken) }),
    introspect: () => postForm(`${url}/introspect`, { token: tokens.accessToken }, basic(client)),
    /** Signs in by the JSON API. */
    login: () =>
      ask(`${url}/api/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ identifier: email, password }),
      }),
    /** Whether a token that was revoked before opens nothing. */
    isRevokedDead: () => isDeadEverywhere(url, client, revoked.accessToken),
    refresh: () => refresh(url, client, tokens.refreshToken),
    /** Keys, metadata and offline verification need no store. */
    async assertOfflineWorks(): Promise<void> {
      for (const path of ['/.well-known/jwks.json', '/jw-certs']) {
        assert.equal((await ask(url + path)).status, 200, path);
      }
      const { json } = await ask(`${url}/.well-known/openid-configuration`);
      assert.equal(json.issuer, url);
      assert.equal((await ask(`${url}/health/live`)).status, 200);
      await jwtVerify(tokens.accessToken, keys, { issuer: url, audience: `${url}/api` });
    },
  };
}

export type Prepared = Awaited<ReturnType<typeof prepare>>;

/** A page that says that this passes, and when to come back. */
export function assertUnavailablePage(reply: Reply, what: string): void {
  assert.equal(reply.status, 503, `${what}: ${reply.status} ${reply.text.slice(0, 300)}`);
  assert.match(reply.headers.get('content-type') ?? '', /^text\/html/, what);
  assert.ok(Number(reply.headers.get('retry-after')) > 0, `${what}: no Retry-After`);
}

/** A problem document IDENT_UNAVAILABLE with Retry-After. */
export function assertUnavailableProblem(reply: Reply): void {
  assert.equal(reply.status, 503, reply.text);
  assert.equal(reply.json.code, 'IDENT_UNAVAILABLE');
  assert.ok(Number(reply.headers.get('retry-after')) > 0, 'no Retry-After');
}

/** Whether a person can sign in from the first page to userinfo. */
export async function canSignIn(installation: Installation): Promise<boolean> {
  const tokens = await signInForTokens(installation).catch(() => undefined);
  if (!tokens) return false;
  const reply = await ask(`${installation.url}/userinfo`, { headers: bearer(tokens.accessToken) });
  return reply.status === 200;
}
