import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import type { TestClient } from '../helpers/gatehouse.ts';
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
import { basic, type World } from './support.ts';

/** An endpoint that takes forms of clients: parameters that it knows, and a request to spoil. */
export interface FormEndpoint {
  path: string;
  names: string[];
  base: Record<string, string>;
  /** Methods that it serves beside POST and OPTIONS. */
  methods?: string[];
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };

/** Posts a form, or what is to be none, as it is. */
export const postRaw = (
  url: string,
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
) => send(url, { method: 'POST', path, headers: { ...FORM, ...headers }, body });

/**
 * Declares the tests that hold for every such endpoint: whatever comes is
 * answered by an error that the RFC names (RFC 6749 5.2), never by one of ours.
 */
export function testFormEndpoint(
  { url, config }: Pick<World, 'url' | 'config'>,
  client: TestClient,
  { path, names, base, methods = [] }: FormEndpoint,
): void {
  const CLIENT = basic(client);
  const post = (to: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    postRaw(url, to, body, headers);

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
      // Without a type there is no body, and some requests need none.
      if (type !== '') assert.ok(answer.status >= 400, `${path} took ${type}`);
    }
  });

  test(`${path}: a parameter given twice is refused (RFC 6749 3.2)`, async () => {
    for (const name of names.filter((one) => one !== 'resource')) {
      const form = `${name}=first&${name}=second`;
      const { [name]: _, ...rest } = base;
      const answer = await post(
        path,
        `${form}&${new URLSearchParams(rest)}`,
        name.startsWith('client_') ? {} : CLIENT,
      );
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
    const served = ['POST', 'OPTIONS', ...methods];
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      if (served.includes(method)) continue;
      const answer = await send(url, { method, path, headers: { accept: 'application/json' } });
      assertSound(answer, [method, path]);
      assert.ok(answer.status === 404 || answer.status === 405, `${method} ${path}`);
    }
  });

  test(`${path}: a foreign Host is not served (host header injection)`, async () => {
    for (const host of ['evil.example', `evil.example:${config.PORT}`, 'localhost', '@', 'x y']) {
      const answer = await post(path, String(new URLSearchParams(base)), { ...CLIENT, host });
      assert.ok(answer.status === 421 || answer.status === 400, `${host}: ${answer.status}`);
      assert.ok(!answer.body.includes('evil.example'));
    }
  });
}

/** Declares the test that no line was logged as an error of ours. */
export function testNoErrorLogged({ logs }: Pick<World, 'logs'>): void {
  test('none of it was an error of ours', () => {
    assert.deepEqual(
      logs.filter(({ level }) => level === 'error' || level === 'fatal'),
      [],
    );
  });
}
