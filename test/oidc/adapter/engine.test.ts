import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import Koa from 'koa';
import { type Adapter, Provider } from 'oidc-provider';
import { newId } from '../../../src/kernel/ids.ts';
import {
  createAdapterFactory,
  runWithRequestCache,
  takeUser,
} from '../../../src/oidc/adapter/index.ts';
import { patchRefreshGrant } from '../../../src/oidc/internals.ts';
import { withLatency } from '../../helpers/latency-adapter.ts';
import { createStorage, onlyClient } from './harness.ts';

const storage = await createStorage();
const { one, two, userId, tenantId } = storage;

const CALLBACK = 'https://rp.example/cb';
const client = {
  client_id: 'web',
  client_secret: 'secret',
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: [CALLBACK],
  token_endpoint_auth_method: 'client_secret_post' as const,
};

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig' }] };

/** The real engine on the real storage, with 2 ms of latency, behind HTTP. */
async function serve(adapter: (model: string) => Adapter) {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  after(() => server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(origin, {
    adapter,
    jwks,
    cookies: { keys: ['test'] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
    },
    findAccount: async (_ctx, accountId) => {
      assert.equal(takeUser(accountId)?.user.tenantId ?? tenantId, tenantId);
      return { accountId, claims: async () => ({ sub: accountId }) };
    },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    async loadExistingGrant({ oidc }) {
      const clientId = oidc.client?.clientId ?? '';
      const grantId = oidc.session?.grantIdFor(clientId);
      const found = grantId && (await oidc.provider.Grant.find(grantId));
      if (found) return found;
      const grant = new oidc.provider.Grant({ accountId: userId, clientId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
    issueRefreshToken: async () => true,
    pkce: { required: () => false },
    rotateRefreshToken: true,
    ttl: { Session: 3_600, Grant: 86_400, RefreshToken: 3_600, Interaction: 600 },
  });
  const Session = provider.Session as unknown as { instantiate(payload?: object): { uid: string } };
  const { instantiate } = Session;
  Session.instantiate = function withUuid(payload?: object) {
    const session = instantiate.call(this, payload);
    if (!payload || !('uid' in payload)) session.uid = newId();
    return session;
  };
  patchRefreshGrant(provider, (token) => one.sessions.replayDetected(token));
  const app = new Koa();
  app.keys = provider.keys ?? ['test'];
  app.use((_ctx, next) => runWithRequestCache(next));
  app.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    ctx.respond = false;
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: userId } });
  });
  for (const middleware of provider.middleware) app.use(middleware);
  server.on('request', app.callback());
  return { origin, provider };
}

const adapter = createAdapterFactory({
  ...one.deps,
  clientStore: onlyClient(client),
});
const { origin } = await serve(withLatency(adapter, 2));

/** A browser: keeps cookies, follows redirects within the provider. */
function createBrowser() {
  const jar = new Map<string, string>();
  async function go(url: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(url, origin), {
      ...init,
      redirect: 'manual',
      headers: { cookie, accept: 'text/html', ...init.headers },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    const location = response.headers.get('location');
    return location && !location.startsWith(CALLBACK) ? go(location) : response;
  }
  async function authorize(more: Record<string, string> = {}): Promise<URL> {
    const query = {
      client_id: 'web',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: CALLBACK,
    };
    const response = await go(`/auth?${new URLSearchParams({ ...query, ...more })}`);
    return new URL(response.headers.get('location') ?? 'about:blank');
  }
  return { jar, go, authorize };
}

async function post(path: string, body: Record<string, string>) {
  const credentials = { client_id: 'web', client_secret: 'secret' };
  const response = await fetch(new URL(path, origin), {
    method: 'POST',
    body: new URLSearchParams({ ...credentials, ...body }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

const exchange = (code: string | null) =>
  post('/token', { grant_type: 'authorization_code', code: code ?? '', redirect_uri: CALLBACK });
const refresh = (token: string | undefined) =>
  post('/token', { grant_type: 'refresh_token', refresh_token: token ?? '' });
const isActive = async (token: string | undefined) =>
  (await post('/token/introspection', { token: token ?? '' })).body.active;

async function signIn() {
  // The clock stands still: without this, two sessions would be equally new.
  storage.clock.advance(1);
  const browser = createBrowser();
  const { searchParams } = await browser.authorize();
  const { status, body } = await exchange(searchParams.get('code'));
  assert.equal(status, 200, JSON.stringify(body));
  const [session] = await one.sessions.list(tenantId, userId);
  assert.ok(session);
  return { browser, tokens: body, session };
}

describe('the engine on this storage', () => {
  it('signs in, keeps the session over a second sign-in under a new cookie, and signs out', async () => {
    const { browser, tokens, session } = await signIn();
    const cookie = browser.jar.get('_session');
    await browser.authorize({ prompt: 'login' });
    assert.notEqual(browser.jar.get('_session'), cookie);
    const again = (await one.sessions.list(tenantId, userId)).map(({ id }) => id);
    assert.deepEqual(again, [session.id]);
    assert.equal(await isActive(tokens.access_token), true);

    const page = await (await browser.go('/session/end')).text();
    const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(page) ?? [];
    await browser.go('/session/end/confirm', {
      method: 'POST',
      body: new URLSearchParams({ xsrf, logout: 'yes' }),
    });
    assert.deepEqual(await one.sessions.list(tenantId, userId), []);
    assert.equal(await isActive(tokens.access_token), false);
    assert.equal((await refresh(tokens.refresh_token)).body.error, 'invalid_grant');
    const events = await one
      .knex('outbox_events')
      .whereRaw("data ->> 'sessionId' = ?", [session.id]);
    assert.deepEqual(events.map(({ type }) => type).sort(), [
      'identity.session.created.v1',
      'identity.session.revoked.v1',
      'identity.user.logged_out.v1',
    ]);
  });

  it('lets one of 30 uses of a code at a time through', async () => {
    const browser = createBrowser();
    const { searchParams } = await browser.authorize();
    const results = await Promise.all(
      Array.from({ length: 30 }, () => exchange(searchParams.get('code'))),
    );
    assert.equal(results.filter(({ status }) => status === 200).length, 1);
    assert.ok(
      results.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'),
    );
  });

  it('lets one of 30 uses of a refresh token at a time through, and ends session and grant', async () => {
    const { tokens, session } = await signIn();
    const results = await Promise.all(
      Array.from({ length: 30 }, () => refresh(tokens.refresh_token)),
    );
    const won = results.filter(({ status }) => status === 200);
    assert.equal(won.length, 1);
    assert.ok(
      results.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'),
    );
    assert.equal((await refresh(won[0]?.body.refresh_token)).body.error, 'invalid_grant');
    const live = (await one.sessions.list(tenantId, userId)).map(({ id }) => id);
    assert.ok(!live.includes(session.id));
    const events = await one
      .knex('outbox_events')
      .whereRaw("data ->> 'sessionId' = ?", [session.id]);
    assert.equal(events.filter(({ type }) => /security_incident/.test(type)).length, 1);
  });

  it('refreshes with one read and one write of the database, beside one of Redis', async () => {
    const counted = createAdapterFactory({ ...two.deps, clientStore: onlyClient(client) });
    const other = await serve(counted);
    const { tokens } = await signIn();
    const trips = await two.countTrips(async () => {
      const response = await fetch(`${other.origin}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          ...{ client_id: 'web', client_secret: 'secret', grant_type: 'refresh_token' },
          refresh_token: tokens.refresh_token ?? '',
        }),
      });
      assert.equal(response.status, 200);
    });
    assert.equal(trips, 2);
  });

  it('does not let an ended session go on at the next request (CVE-2025-29928)', async () => {
    const { browser, tokens, session } = await signIn();
    assert.ok((await browser.authorize({ prompt: 'none' })).searchParams.get('code'));
    const how = {
      tenantId,
      userId,
      sessionId: session.id,
      reason: 'ended_by_administrator' as const,
    };
    assert.ok(await one.sessions.end(how));
    const denied = await browser.authorize({ prompt: 'none' });
    assert.equal(denied.searchParams.get('error'), 'login_required');
    assert.equal(await isActive(tokens.access_token), false);
    assert.equal((await refresh(tokens.refresh_token)).body.error, 'invalid_grant');
  });
});
