import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { HtmlValidate } from 'html-validate';
import { html } from '../../examples/relying-party/html.ts';
import type { SignIn } from '../../examples/relying-party/oidc-client.ts';
import { decodeJwt, errorPage, homePage, type Site } from '../../examples/relying-party/pages.ts';
import { createRelyingParty } from '../../examples/relying-party/server.ts';
import {
  addPending,
  createSessionStore,
  takePending,
} from '../../examples/relying-party/sessions.ts';

const validator = new HtmlValidate({ extends: ['html-validate:standard'] });

async function assertValid(page: string): Promise<void> {
  const report = await validator.validateString(page);
  const problems = report.results.flatMap(({ messages }) => messages);
  assert.deepEqual(
    problems.map(({ ruleId, message, line }) => `${line}: ${ruleId}: ${message}`),
    [],
  );
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

/** A provider that can be discovered and does nothing else. */
function answerDiscovery(issuer: string): string {
  return JSON.stringify({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  });
}

describe('the example relying party', () => {
  const provider = createServer();
  const application = createServer();
  const logged: unknown[] = [];
  let issuer = '';
  let baseUrl = '';
  let isProviderUp = true;

  before(async () => {
    issuer = await listen(provider);
    baseUrl = await listen(application);
    provider.on('request', (_request, response) => {
      response.writeHead(isProviderUp ? 200 : 503, { 'content-type': 'application/json' });
      response.end(answerDiscovery(issuer));
    });
    const secondClient = { clientId: 'two', clientSecret: 's' };
    const log = (error: unknown) => logged.push(error);
    application.on(
      'request',
      createRelyingParty({
        issuer,
        clientId: 'one',
        clientSecret: 's',
        secondClient,
        baseUrl,
        log,
      }),
    );
  });

  after(() => {
    for (const server of [provider, application]) server.close().closeAllConnections();
  });

  /** A request as a browser sends it, with the cookie it holds. */
  const visit = (path: string, options: RequestInit & { cookie?: string } = {}) =>
    fetch(`${baseUrl}${path}`, {
      redirect: 'manual',
      ...options,
      headers: { ...options.headers, ...(options.cookie ? { cookie: options.cookie } : {}) },
    });

  async function startSignIn(path = '/sign-in') {
    const response = await visit(path, { method: 'POST' });
    const cookie = response.headers.getSetCookie()[0] ?? '';
    return {
      response,
      cookie: cookie.split(';')[0] ?? '',
      attributes: cookie,
      location: new URL(response.headers.get('location') ?? 'about:blank'),
    };
  }

  test('the start page is valid HTML, sets no cookie and allows no script', async () => {
    const response = await visit('/');
    assert.equal(response.status, 200);
    assert.deepEqual(response.headers.getSetCookie(), []);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.ok(!policy.includes('unsafe') && !policy.includes('script-src'));
    const page = await response.text();
    assert.ok(!/<script|<style|\sstyle=|\son\w+=/i.test(page));
    await assertValid(page);
  });

  test('its stylesheet and icon are served', async () => {
    for (const path of ['/style.css', '/icon.svg']) assert.equal((await visit(path)).status, 200);
  });

  test('signing in goes to the provider with PKCE, state and nonce, and names no resource', async () => {
    const { response, location, attributes } = await startSignIn();
    assert.equal(response.status, 303);
    assert.equal(location.origin + location.pathname, `${issuer}/authorize`);
    const { searchParams: params } = location;
    assert.equal(params.get('client_id'), 'one');
    assert.equal(params.get('redirect_uri'), `${baseUrl}/callback`);
    assert.equal(params.get('code_challenge_method'), 'S256');
    for (const name of ['state', 'nonce', 'code_challenge']) {
      assert.match(params.get(name) ?? '', /^[\w-]{43}$/, name);
    }
    assert.equal(params.has('resource'), false);
    assert.match(attributes, /^rp_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  test('the second client has its own redirect URI', async () => {
    const { location } = await startSignIn('/sign-in/second');
    assert.equal(location.searchParams.get('client_id'), 'two');
    assert.equal(location.searchParams.get('redirect_uri'), `${baseUrl}/callback/second`);
  });

  test('over HTTPS the cookie is Secure and bound to the host', async () => {
    const secure = createServer();
    const origin = await listen(secure);
    const options = { issuer, clientId: 'one', baseUrl: 'https://app.example' };
    secure.on('request', createRelyingParty(options));
    const response = await fetch(`${origin}/sign-in`, { method: 'POST', redirect: 'manual' });
    secure.close().closeAllConnections();
    const [cookie = ''] = response.headers.getSetCookie();
    assert.match(cookie, /^__Host-rp_session=.*; Secure$/);
  });

  test('a callback that was not started here is refused', async () => {
    const { cookie, location } = await startSignIn();
    const state = location.searchParams.get('state');
    const attempts = [
      { path: '/callback?code=c&state=wrong', cookie },
      { path: '/callback?code=c', cookie },
      { path: `/callback?code=c&state=${state}` },
      { path: `/callback/second?code=c&state=${state}`, cookie },
    ];
    for (const { path, ...options } of attempts) {
      const response = await visit(path, options);
      assert.equal(response.status, 400, path);
      const page = await response.text();
      assert.match(page, /was not started here/);
      await assertValid(page);
    }
  });

  test('an error of the provider is shown once, and escaped', async () => {
    const { cookie, location } = await startSignIn();
    const query = new URLSearchParams({
      error: 'access_denied',
      error_description: '<script>alert("xin chào")</script>',
      state: location.searchParams.get('state') ?? '',
      iss: issuer,
    });
    const first = await visit(`/callback?${query}`, { cookie });
    const page = await first.text();
    assert.equal(first.status, 403);
    assert.match(page, /Sign-in was not completed/);
    assert.match(page, /access_denied: &lt;script&gt;alert\(&quot;xin chào&quot;\)/);
    await assertValid(page);
    const second = await visit(`/callback?${query}`, { cookie });
    assert.equal(second.status, 400);
  });

  test('an answer in the name of another issuer is refused (RFC 9207)', async () => {
    const { cookie, location } = await startSignIn();
    const state = location.searchParams.get('state');
    const path = `/callback?code=c&state=${state}&iss=https://evil.example`;
    const response = await visit(path, { cookie });
    assert.equal(response.status, 502);
    assert.match(await response.text(), /was not accepted/);
  });

  test('a provider that is not there yet is tried again at the next sign-in', async () => {
    const late = createServer();
    const origin = await listen(late);
    const log = (error: unknown) => logged.push(error);
    late.on('request', createRelyingParty({ issuer, clientId: 'one', baseUrl: origin, log }));
    isProviderUp = false;
    const down = await fetch(`${origin}/sign-in`, { method: 'POST', redirect: 'manual' });
    isProviderUp = true;
    const up = await fetch(`${origin}/sign-in`, { method: 'POST', redirect: 'manual' });
    late.close().closeAllConnections();
    assert.equal(down.status, 503);
    assert.match(await down.text(), /cannot be reached/);
    assert.equal(up.status, 303);
  });

  test('forms of other sites and other methods do nothing', async () => {
    const foreign: Array<Record<string, string>> = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://localhost:1' },
      { origin: 'null' },
    ];
    for (const headers of foreign) {
      assert.equal((await visit('/sign-in', { method: 'POST', headers })).status, 403);
    }
    const own = { origin: baseUrl, 'sec-fetch-site': 'same-origin' };
    assert.equal((await visit('/sign-in', { method: 'POST', headers: own })).status, 303);
    const get = await visit('/sign-out');
    assert.equal(get.status, 405);
    assert.equal(get.headers.get('allow'), 'POST');
  });

  test('unknown addresses are not found, however they are spelled', async () => {
    for (const path of ['/nothing', '/callback/third', '/second', '/callback/second/x', '//x']) {
      assert.equal((await visit(path)).status, 404, path);
    }
  });

  test('buttons of somebody who is not signed in lead to the start page', async () => {
    for (const path of ['/refresh', '/userinfo', '/api', '/sign-out', '/forget']) {
      const response = await visit(path, { method: 'POST' });
      assert.equal(response.status, 303, path);
      assert.equal(response.headers.get('location'), '/');
    }
  });

  test('a plain http issuer is refused unless it is on this computer', () => {
    const options = { clientId: 'one', baseUrl: 'http://localhost:3001' };
    assert.throws(
      () => createRelyingParty({ ...options, issuer: 'http://id.example' }),
      /must be https/,
    );
    assert.ok(createRelyingParty({ ...options, issuer: 'http://localhost:3000' }));
  });
});

describe('the pages of the example relying party', () => {
  const site: Site = {
    title: 'Ứng dụng <mẫu>',
    issuer: 'http://localhost:3000',
    clients: new Map([
      ['first', 'one'],
      ['second', 'two'],
    ]),
  };
  const hostile = '"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e';
  const toJwt = (payload: unknown): string =>
    `e30.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.sig`;
  const claims = {
    iss: 'http://localhost:3000',
    sub: hostile,
    aud: 'one',
    exp: 1_800_000_000,
    iat: 1e300,
    name: `Nguyễn Thị An ${hostile}`,
    email: hostile,
    [hostile]: { html: '<b>', toString: hostile, list: [hostile] },
  };
  const signIn: SignIn = {
    claims,
    idToken: 'secret-id-token',
    accessToken: toJwt(claims),
    refreshToken: 'secret-refresh-token',
    scope: hostile,
    expiresAt: undefined,
  };

  test('hostile claims are text, and tokens never reach the page', async () => {
    const session = createSessionStore().create();
    session.signIns.set('first', signIn).set('second', { ...signIn, accessToken: hostile });
    session.outcome = { title: hostile, body: hostile, isError: true };
    const page = homePage(site, session);
    assert.ok(!/<script|<img|<b>/.test(page));
    assert.ok(!page.includes('secret-'));
    assert.ok(!page.includes(signIn.accessToken));
    assert.match(page, /Nguyễn Thị An/);
    assert.match(page, /1800000000 \(2027-01-15 08:00:00 UTC\)/);
    await assertValid(page);
  });

  test('hostile errors are text', async () => {
    const page = errorPage(site, {
      status: 400,
      title: hostile,
      detail: hostile,
      technical: hostile,
    });
    assert.ok(!/<script|<img/.test(page));
    await assertValid(page);
  });

  test('the template escapes whatever it is given', () => {
    const forged = { toString: () => '<b>' } as unknown as string;
    assert.equal(
      String(html`<p title="${`"'&`}">${forged}${html`<i>`}</p>`),
      '<p title="&quot;&#39;&amp;">&lt;b&gt;<i></p>',
    );
  });

  test('only JSON objects count as the claims of a token', () => {
    assert.deepEqual(decodeJwt(toJwt({ name: 'Ngữ' })), { name: 'Ngữ' });
    for (const token of ['opaque', 'a.b', 'a.b.c', '', toJwt('text'), toJwt(null), toJwt([])]) {
      assert.equal(decodeJwt(token), undefined, token);
    }
  });
});

describe('the sessions of the example relying party', () => {
  const pending = (state: string, startedAt = Date.now()) => ({
    state,
    nonce: 'n',
    codeVerifier: 'v',
    startedAt,
  });

  test('a sign-in comes back once, to the client that started it', () => {
    const session = createSessionStore().create();
    addPending(session, pending('s'), 'first');
    assert.equal(takePending(session, 's', 'second'), undefined);
    assert.ok(takePending(session, 's', 'first'));
    assert.equal(takePending(session, 's', 'first'), undefined);
    assert.equal(takePending(undefined, 's', 'first'), undefined);
  });

  test('a sign-in that took too long does not come back', () => {
    const session = createSessionStore().create();
    addPending(session, pending('s', Date.now() - 2 * 60 * 60 * 1000), 'first');
    assert.equal(takePending(session, 's', 'first'), undefined);
  });

  test('one browser cannot fill the memory with sign-ins', () => {
    const session = createSessionStore().create();
    for (let i = 0; i < 50; i += 1) addPending(session, pending(`s${i}`), 'first');
    assert.equal(session.pending.size, 10);
    assert.ok(takePending(session, 's49', 'first'));
  });

  test('a new id leaves the old one worthless', () => {
    const store = createSessionStore();
    const session = store.create();
    const old = session.id;
    store.renew(session);
    assert.equal(store.find(old), undefined);
    assert.equal(store.find(session.id), session);
    store.remove(session);
    assert.equal(store.find(session.id), undefined);
  });
});
