import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import {
  assertPage,
  assertSound,
  oddParameters,
  oddValue,
  type RawAnswer,
  send,
  spoiltQueries,
} from './raw-http.ts';
import { createWorld, obtainCode } from './support.ts';

const world = await createWorld();
const { url, client } = world;
const HTML = { accept: 'text/html' };
const FORM = { ...HTML, 'content-type': 'application/x-www-form-urlencoded' };

const PARAMETERS = [
  ...['client_id', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'state', 'nonce'],
  ...['code_challenge', 'code_challenge_method', 'prompt', 'max_age', 'id_token_hint', 'claims'],
  ...['login_hint', 'acr_values', 'ui_locales', 'display', 'resource', 'request', 'request_uri'],
  ...['tenant', 'registration', 'claims_locales'],
];

const GOOD: Record<string, string> = {
  client_id: client.clientId,
  redirect_uri: client.redirectUri,
  response_type: 'code',
  scope: 'openid',
  state: 's',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
};

/** A page, a step of the sign-in, or the registered redirect URI: nowhere else. */
function assertStaysHere(answer: RawAnswer, about: unknown): void {
  assertPage(answer, about);
  const location = answer.headers.location;
  if (location === undefined) return;
  const target = new URL(location, url);
  const isOurs = target.origin === url && target.pathname.startsWith('/interaction/');
  const isTheirs = target.origin + target.pathname === client.redirectUri;
  assert.ok(isOurs || isTheirs, `redirected to ${location} for ${JSON.stringify(about)}`);
  if (isTheirs) {
    const answers = new URLSearchParams(target.search || target.hash.slice(1));
    assert.ok(answers.get('error'));
    assert.equal(answers.get('iss'), url);
  }
}

/** A form to an address that takes both methods: it comes back as the same request by GET. */
async function sendPosted(path: string, body: string): Promise<RawAnswer> {
  const answer = await send(url, { method: 'POST', path, headers: FORM, body });
  if (answer.status !== 303) return answer;
  assert.equal(answer.headers.location, `${path}?${body}`);
  return send(url, { path: answer.headers.location, headers: HTML });
}

test('/authorize: any query at all leads to a page or an error at the client', async () => {
  await fc.assert(
    fc.asyncProperty(oddParameters(PARAMETERS), fc.boolean(), async (query, byPost) => {
      const answer = byPost
        ? await sendPosted('/authorize', query.toString())
        : await send(url, { path: `/authorize?${query}`, headers: HTML });
      assertStaysHere(answer, query.toString());
    }),
    { numRuns: 200 },
  );
});

test('/authorize: a good request with one odd value', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...PARAMETERS), oddValue, async (name, value) => {
      const query = new URLSearchParams({ ...GOOD, [name]: value.toWellFormed() });
      const answer = await send(url, { path: `/authorize?${query}`, headers: HTML });
      assertStaysHere(answer, [name, value]);
    }),
    { numRuns: 250 },
  );
});

test('/authorize and /logout: spoilt encodings', async () => {
  for (const path of ['/authorize', '/logout', '/', '/interaction/x', '/nowhere']) {
    for (const query of spoiltQueries) {
      assertPage(await send(url, { path: `${path}?${query}`, headers: HTML }), [path, query]);
    }
  }
});

test('/logout: any query or form at all leads to a page', async () => {
  const names = [
    'id_token_hint',
    'post_logout_redirect_uri',
    'client_id',
    'state',
    'xsrf',
    'logout',
  ];
  await fc.assert(
    fc.asyncProperty(
      oddParameters(names),
      fc.constantFrom('GET /logout', 'POST /logout', 'POST /logout/confirm', 'GET /logout/success'),
      async (query, where) => {
        const [method = '', path = ''] = where.split(' ');
        const answer =
          method === 'GET'
            ? await send(url, { path: `${path}?${query}`, headers: HTML })
            : await send(url, { method, path, headers: FORM, body: query.toString() });
        assertPage(answer, [where, query.toString()]);
        assert.ok(!String(answer.headers.location ?? '').includes('//evil'));
      },
    ),
    { numRuns: 150 },
  );
});

test('/device: any query or form at all leads to a page (RFC 8628 3.3)', async () => {
  const names = ['user_code', 'xsrf', 'csrf', 'confirm', 'abort', 'decision'];
  await fc.assert(
    fc.asyncProperty(oddParameters(names), fc.boolean(), async (query, byPost) => {
      const answer = byPost
        ? await send(url, { method: 'POST', path: '/device', headers: FORM, body: `${query}` })
        : await send(url, { path: `/device?${query}`, headers: HTML });
      assertPage(answer, query.toString());
    }),
    { numRuns: 80 },
  );
});

test('a sign-in form with any content shows the step again or says what is wrong (CVE-2026-49443)', async () => {
  const agent = createUserAgent(url);
  const page = await agent.follow(`${url}/authorize?${new URLSearchParams(GOOD)}`);
  const { action, fields } = findForm(page, '/sign-in');
  await fc.assert(
    fc.asyncProperty(
      oddParameters(['identifier', 'organisation', 'csrf']),
      fc.boolean(),
      async (form, withToken) => {
        if (withToken) form.set('csrf', fields.csrf ?? '');
        const answer = await agent.fetch(action, { method: 'POST', body: form });
        assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} for ${form}`);
        assert.match(await answer.text(), /^\s*<!doctype html>/i);
      },
    ),
    { numRuns: 60 },
  );
  // The same page still works: nothing of that ended or skipped the step.
  const { email, password } = world.people.user;
  const end = await agent.submit(page, '/sign-in', { identifier: email, password });
  assert.ok(end.url.searchParams.get('code'));
});

test('steps of a sign-in answer odd ids, bodies and methods with a page', async () => {
  const steps = ['', '/sign-in', '/consent', '/abort'];
  const ids = ['x', '..', 'a'.repeat(3_000), '%2e%2e', '%00', 'a%0ab', '-', '__proto__'];
  for (const step of steps) {
    for (const id of ids) {
      const path = `/interaction/${id}${step}`;
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const answer = await send(url, { method, path, headers: FORM, body: 'csrf=x' });
        assertSound(answer, [method, path]);
        assert.ok(answer.status >= 400);
      }
    }
  }
});

test('a form beyond its bound is refused', async () => {
  const agent = createUserAgent(url);
  const page = await agent.follow(`${url}/authorize?${new URLSearchParams(GOOD)}`);
  const { action, fields } = findForm(page, '/sign-in');
  const body = new URLSearchParams({ ...fields, identifier: 'x'.repeat(1_000_000), password: 'x' });
  const answer = await agent.fetch(action, { method: 'POST', body }).catch(() => undefined);
  if (answer) assert.equal(answer.status, 413);
});

test('garbage for cookies is nobody, not an error (CVE-2026-25748)', async () => {
  const garbage = ['x', '=', 'x'.repeat(4_000), '%00', '\u00ff\u00fe', 'a.b.c', '"', '__proto__'];
  for (const value of garbage) {
    const cookie = ['gh_session', 'gh_session.sig', 'gh_interaction', 'gh_locale']
      .map((name) => `${name}=${value}; ${name}=${value}2`)
      .join('; ');
    for (const path of ['/', '/authorize', `/authorize?${new URLSearchParams(GOOD)}`, '/logout']) {
      const answer = await send(url, { path, headers: { ...HTML, cookie } });
      assertPage(answer, [path, value]);
      assert.ok(!answer.body.includes(world.people.user.email));
    }
  }
});

test('paths that a proxy might read differently reach nothing (CVE-2026-0976)', async () => {
  for (const path of [
    ...['//authorize', '/./authorize', '/authorize;x=1', '/%61uthorize/..', '/authorize%2f..'],
    ...['/api/v1/me;x', '/api//v1/me', '/api/v1/%6de/', '/api/v1/me%00', '/interaction/..%2ftoken'],
    ...['/\\authorize', '/authorize/../token', '/%2e%2e/token', '/assets/../../package.json'],
    ...['/assets/%2e%2e/%2e%2e/package.json', '/assets/....//package.json'],
  ]) {
    const answer = await send(url, { path, headers: HTML });
    assertSound(answer, path);
    assert.ok([400, 401, 404].includes(answer.status), `${path}: ${answer.status}`);
    assert.ok(!answer.body.includes('"dependencies"'));
  }
});

test('the log of all this holds no code, cookie or name (ASVS 16.2.5)', async () => {
  const { code, agent } = await obtainCode(world);
  await agent.fetch(`${url}/authorize?code=${code}&password=${world.people.user.password}`);
  const text = JSON.stringify(world.logs);
  const { email, password } = world.people.user;
  for (const secret of [code, email, password, ...agent.cookies.values()]) {
    assert.ok(!text.includes(secret), `logged: ${secret.slice(0, 6)}…`);
  }
});
