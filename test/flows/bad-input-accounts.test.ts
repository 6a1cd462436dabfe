import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import fc from '../helpers/fast-check.ts';
import { callApi } from './auth-support.ts';
import { assertProblem, oddValue, send } from './raw-http.ts';
import { addUser, bearer, createWorld } from './support.ts';

// Mails are taken and wait; each request has an address of its own, and so its own limits.
const world = await createWorld({
  settings: { SMTP_URL: 'smtp://127.0.0.1:9', TRUSTED_PROXIES: '127.0.0.1' },
});
const { url, deps, people } = world;
await deps.tenants.updateSettings(people.tenantId, {
  selfRegistration: true,
  emailCodeSignIn: true,
  smsCodeSignIn: true,
});
const person = await addUser(world, 'odd');
const { body: signedIn } = await callApi(url, 'POST', '/auth/login', {
  body: { identifier: person.identifier, password: person.password },
});
const authorization = bearer(String(signedIn.accessToken));

let requests = 0;

function call(method: string, path: string, body: string) {
  requests += 1;
  const address = `198.51.${requests >> 8}.${requests & 255}`;
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': address };
  const where = path.replace(/:\w+/g, person.id);
  return send(url, {
    method,
    path: `/api/v1${where}`,
    headers: { ...headers, ...authorization },
    body,
  });
}

/** A body that is right as far as it goes: what is odd is judged by itself. */
const usual: Record<string, unknown> = {
  tenant: people.tenantId,
  identifier: person.identifier,
  email: person.identifier,
  phone: '+84901234567',
  password: 'another fine password',
  currentPassword: 'another fine password',
  newPassword: 'quite another password',
  code: '123456',
  token: 'x'.repeat(43),
  refreshToken: 'ghr_x',
};

const routes = deps.routes.filter(({ body }) => body !== undefined);

test('there are routes with a body to try', () => assert.ok(routes.length > 12));

for (const { method, path, body } of routes) {
  // Names of the members, whether one object or a choice of several.
  const schema = JSON.stringify(
    z.toJSONSchema(body as z.ZodType, { io: 'input', unrepresentable: 'any' }),
  );
  const names = Object.keys(usual).filter((name) => schema.includes(`"${name}"`));
  const others = [
    ...schema.matchAll(/"(\w+)":\{(?:"default":[^,]*,)?(?:"description"|"type"|"anyOf")/g),
  ].map(([, name = '']) => name);
  const fields = [...new Set([...names, ...others])];

  test(`${method} ${path}: an odd value in any member is a problem document or does no harm`, async () => {
    const value = fc.oneof(oddValue, fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fields), value, async (name, odd) => {
        const given = Object.fromEntries(names.map((one) => [one, usual[one]]));
        const answer = await call(method, path, JSON.stringify({ ...given, [name]: odd }));
        if (answer.status < 300) return;
        // No SMS gateway is set up here, and says so.
        if (answer.status === 503) {
          assert.equal(JSON.parse(answer.body).code, 'IDENT_UNAVAILABLE');
          assert.ok(/phone|identifier/.test(schema), path);
          return;
        }
        assertProblem(answer, { path, name, odd });
      }),
      { numRuns: 40 },
    );
    for (const text of ['', '[]', 'null', '"x"', '{', '{"__proto__":{"isAdmin":true}}']) {
      const answer = await call(method, path, text);
      assertProblem(answer, { path, text });
      assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${text}`);
    }
  });
}
