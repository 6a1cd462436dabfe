import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  assertOAuthError,
  assertSound,
  oddAuthorizations,
  oddParameters,
  oddValue,
  type RawAnswer,
  send,
  spoiltQueries,
} from './raw-http.ts';
import { basic, createWorld, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, client } = world;
const { accessToken, refreshToken } = await signInForTokens(world);

const FORM = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
const CLIENT = basic(client);

/** Parameters that each endpoint knows. */
const ENDPOINTS: Record<string, string[]> = {
  '/token': [
    ...['grant_type', 'code', 'redirect_uri', 'code_verifier', 'refresh_token', 'scope'],
    ...['resource', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type'],
  ],
  '/introspect': ['token', 'token_type_hint', 'client_id', 'client_secret'],
  '/revoke': ['token', 'token_type_hint', 'client_id', 'client_secret'],
  '/userinfo': ['access_token', 'scope'],
};

const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  send(url, { method: 'POST', path, headers: { ...FORM, ...headers }, body });

for (const [path, names] of Object.entries(ENDPOINTS)) {
  test(`${path}: any form at all is answered by a clear error, never by one of ours`, async () => {
    await fc.assert(
      fc.asyncProperty(oddParameters(names), fc.boolean(), async (form, authenticated) => {
        const answer = await post(path, form.toString(), authenticated ? CLIENT : {});
        assertOAuthError(answer, [path, form.toString()]);
      }),
      { numRuns: 150 },
    );
  });

  test(`${path}: a known grant or token with one odd value beside it`, async () => {
    const base: Record<string, string> =
      path === '/token' ? { grant_type: 'refresh_token', refresh_token: 'ghr_x' } : { token: 'x' };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), oddValue, async (name, value) => {
        const form = new URLSearchParams({ ...base, [name]: value.toWellFormed() });
        assertOAuthError(await post(path, form.toString(), CLIENT), [path, name, value]);
      }),
      { numRuns: 100 },
    );
  });

  test(`${path}: a body that is no form`, async () => {
    const bodies: (string | Buffer)[] = [...spoiltQueries, Buffer.from([0xff, 0xfe, 0, 1, 2])];
    for (const body of [...bodies, '{"grant_type":"refresh_token"}', '']) {
      assertOAuthError(await post(path, body, CLIENT), [path, String(body)]);
    }
    for (const type of ['application/json', 'text/plain', 'multipart/form-data', 'x', '']) {
      const answer = await post(path, '{"token":"x"}', { ...CLIENT, 'content-type': type });
      assertOAuthError(answer, [path, type]);
      assert.ok(answer.status >= 400, `${path} took ${type}`);
    }
  });

  test(`${path}: a parameter given twice is refused (RFC 6749 3.2)`, async () => {
    for (const name of names.filter((one) => one !== 'resource')) {
      const form = `${name}=first&${name}=second`;
      const filler = path === '/token' && name !== 'grant_type' ? '&grant_type=refresh_token' : '';
      const answer = await post(path, form + filler, name.startsWith('client_') ? {} : CLIENT);
      assertOAuthError(answer, [path, name]);
      assert.ok(answer.status === 400 || answer.status === 401, `${path} ${name}`);
    }
  });

  test(`${path}: malformed credentials are refused, none passes (GHSA-gv94-wp4h-vv8p)`, async () => {
    for (const authorization of oddAuthorizations) {
      const headers = { authorization: Buffer.from(authorization, 'utf8').toString('latin1') };
      const answer = await post(path, 'grant_type=client_credentials&token=x', headers);
      assertOAuthError(answer, [path, authorization]);
      assert.ok(answer.status === 400 || answer.status === 401, `${path}: ${authorization}`);
    }
    const doubled = await send(url, {
      method: 'POST',
      path,
      headers: { ...FORM, authorization: [CLIENT.authorization, 'Basic eDp5'] },
      body: 'grant_type=client_credentials&token=x',
    });
    assertOAuthError(doubled, [path, 'two Authorization headers']);
    assert.ok(doubled.status === 400 || doubled.status === 401, `two headers: ${doubled.status}`);
  });

  test(`${path}: a body beyond its bound is refused without being read to its end`, async () => {
    const answer = await post(path, `token=${'x'.repeat(2_000_000)}`, CLIENT).catch(
      (error: NodeJS.ErrnoException): RawAnswer | string => error.code ?? error.message,
    );
    // A server that has answered may cut the connection while the client still writes.
    if (typeof answer === 'string') return assert.match(answer, /^(EPIPE|ECONNRESET)$/);
    assertOAuthError(answer, [path, 'two megabytes']);
    assert.ok(answer.status === 413 || answer.status === 400, String(answer.status));
  });

  test(`${path}: other methods are refused`, async () => {
    const served = path === '/userinfo' ? ['GET', 'POST', 'OPTIONS', 'HEAD'] : ['POST', 'OPTIONS'];
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      if (served.includes(method)) continue;
      const answer = await send(url, { method, path, headers: { accept: 'application/json' } });
      assertSound(answer, [method, path]);
      assert.ok(answer.status === 404 || answer.status === 405, `${method} ${path}`);
    }
  });
}

test('tokens in a query are not taken (RFC 9700 4.3)', async () => {
  const query = `access_token=${accessToken}`;
  const answer = await send(url, { path: `/userinfo?${query}`, headers: FORM });
  assert.ok(answer.status === 400 || answer.status === 401);
  const inQuery = await post(
    `/token?grant_type=refresh_token&refresh_token=${refreshToken}`,
    '',
    CLIENT,
  );
  assert.equal(inQuery.status, 400);
});

test('an error never echoes what was sent as markup', async () => {
  const script = '<script>alert(1)</script>';
  for (const path of Object.keys(ENDPOINTS)) {
    const form = new URLSearchParams({ grant_type: script, token: script, client_id: script });
    const answer = await post(path, form.toString(), { accept: 'text/html' });
    assertSound(answer, path);
    assert.ok(!answer.body.includes(script), path);
  }
});

test('the prototype of nothing was touched', () => {
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('the log of all this holds no secret (ASVS 16.2.5)', () => {
  const text = JSON.stringify(world.logs);
  assert.ok(world.logs.length > 100);
  const { email, password } = world.people.user;
  for (const secret of [accessToken, refreshToken, client.clientSecret, email, password]) {
    assert.ok(!text.includes(secret), `logged: ${secret.slice(0, 6)}…`);
  }
  assert.ok(!text.includes(CLIENT.authorization));
});
