import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { z } from 'zod';
import { createRequestListener } from '../../src/app.ts';
import { route } from '../../src/kernel/http/index.ts';
import { freePort } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { bearer, createWorld, getJson, signInForTokens } from './support.ts';

const port = await freePort();
const world = await createWorld({ settings: { ALLOWED_HOSTS: `localhost:${port}` } });
const { url, client, deps } = world;
const acr = (name: string): string => `urn:gatehouse:acr:${name}`;

/** A route of the real API, but for what it asks of the sign-in. */
const guarded = (path: `/${string}`, stepUp: { acrValues?: string[]; maxAge?: number }) =>
  route({
    method: 'GET',
    path,
    auth: 'user',
    limit: 'none',
    summary: 'Asks for a certain sign-in',
    tags: ['Test'],
    operationId: path.slice(1),
    stepUp,
    responses: { 200: z.object({ ok: z.boolean() }) },
    errors: [],
    handle: () => ({ ok: true }),
  });

const routes = [
  guarded('/fresh', { maxAge: 300 }),
  guarded('/strong', { acrValues: [acr('2fa'), acr('phr')], maxAge: 60 }),
  guarded('/any', { acrValues: [acr('1fa'), acr('2fa')] }),
];
const server = createServer(createRequestListener({ ...deps, routes }));
await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
after(() => server.close().closeAllConnections());
const api = `http://localhost:${port}/api/v1`;

/** Makes every session one that began so long ago. */
const age = (seconds: number): Promise<unknown> =>
  deps.postgres.knex.raw(
    `UPDATE sessions SET payload = jsonb_set(payload::jsonb, '{loginTs}',
       to_jsonb((payload ->> 'loginTs')::bigint - ?))::json WHERE user_id IS NOT NULL`,
    [seconds],
  );

/** Where an authorization request leads a browser: a page of ours, or back to the client. */
async function authorize(parameters: Record<string, string>, agent = createUserAgent(url)) {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, parameters);
  const page = await agent.follow(request.url);
  return { page, agent, isPage: page.url.origin === new URL(url).origin };
}

const { email: identifier, password } = world.people.user;

test('a route asks for a fresh sign-in, with what the client must ask for (RFC 9470 3)', async () => {
  const { accessToken, agent } = await signInForTokens(world);
  assert.equal((await getJson(`${api}/fresh`, bearer(accessToken))).status, 200);
  await age(400);
  const old = await signInWithout(agent);
  const { status, headers, body } = await getJson(`${api}/fresh`, bearer(old));
  assert.equal(status, 401);
  assert.equal(body.code, 'IDENT_UNAUTHENTICATED');
  assert.equal(
    headers.get('www-authenticate'),
    'Bearer realm="gatehouse", error="insufficient_user_authentication", max_age="300"',
  );
});

/** A token of the session that the browser has, without a sign-in. */
async function signInWithout(agent: ReturnType<typeof createUserAgent>): Promise<string> {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, { prompt: 'none' });
  const { url: end } = await agent.follow(request.url);
  return (await exchange(configuration, request, end)).access_token;
}

test('a class that the sign-in did not reach is asked for by name, one of several will do (RFC 9470 3)', async () => {
  const { accessToken } = await signInForTokens(world);
  assert.equal((await getJson(`${api}/any`, bearer(accessToken))).status, 200);
  const { status, headers } = await getJson(`${api}/strong`, bearer(accessToken));
  assert.equal(status, 401);
  assert.match(
    headers.get('www-authenticate') ?? '',
    /error="insufficient_user_authentication", acr_values="urn:gatehouse:acr:2fa urn:gatehouse:acr:phr", max_age="60"/,
  );
});

test('discovery names the classes that can be reached, and no others', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.deepEqual(body.acr_values_supported, [acr('1fa'), acr('2fa'), acr('phr')]);
});

const claims = (request: object): Record<string, string> => ({
  claims: JSON.stringify({ id_token: { acr: request } }),
});

const UNREACHABLE: Record<string, Record<string, string>> = {
  'an essential value of another vocabulary': claims({ essential: true, value: 'urn:other:gold' }),
  'essential values of another vocabulary': claims({ essential: true, values: ['0', 'gold'] }),
  'an essential value beside acr_values of ours': {
    ...claims({ essential: true, value: acr('4fa') }),
    acr_values: acr('1fa'),
  },
};

for (const [name, parameters] of Object.entries(UNREACHABLE)) {
  test(`${name} that nothing reaches: unmet_authentication_requirements, at once and without a page`, async () => {
    const stranger = await authorize(parameters);
    const { agent } = await signInForTokens(world);
    const signedIn = await authorize(parameters, agent);
    const silent = await authorize({ ...parameters, prompt: 'none' }, agent);
    for (const { page, isPage } of [stranger, signedIn, silent]) {
      assert.equal(isPage, false, page.html.slice(0, 500));
      assert.equal(page.url.searchParams.get('error'), 'unmet_authentication_requirements');
      assert.equal(page.url.searchParams.get('iss'), url);
      assert.equal(page.url.searchParams.get('code'), null);
    }
  });
}

test('what can be reached is: essential or not, alone or among others', async () => {
  for (const parameters of [
    claims({ essential: true, value: acr('1fa') }),
    claims({ essential: true, values: [acr('2fa'), acr('1fa')] }),
    { acr_values: `${acr('2fa')} ${acr('1fa')}` },
  ] as Record<string, string>[]) {
    const { page, agent, isPage } = await authorize(parameters);
    assert.equal(isPage, true);
    const end = await agent.submit(page, '/sign-in', { identifier, password });
    assert.ok(end.url.searchParams.get('code'), end.html.slice(0, 500));
    const again = await authorize(parameters, agent);
    assert.ok(again.page.url.searchParams.get('code'), 'the session has the class already');
  }
});

test('classes of another vocabulary are a wish and no more (OpenID Connect Core 3.1.2.1, 5.5.1.1)', async () => {
  const { agent } = await signInForTokens(world);
  for (const parameters of [
    { acr_values: 'urn:other:gold' },
    claims({ value: 'urn:other:gold' }),
    claims({}),
    { acr_values: `urn:other:gold ${acr('2fa')}` },
  ] as Record<string, string>[]) {
    const { page } = await authorize(parameters, agent);
    assert.ok(page.url.searchParams.get('code'), JSON.stringify(parameters));
  }
});
