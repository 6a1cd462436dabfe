import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { decodeJwt } from 'jose';
import { createResourceServer } from '../../examples/resource-server/server.ts';
import { findStepUp } from '../../examples/resource-server/step-up.ts';
import { bearer, createWorld, type SignedIn, signInForTokens } from '../flows/support.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';

const world = await createWorld();
const { url, client } = world;
const ONE_FACTOR = 'urn:gatehouse:acr:1fa';
const MAX_AGE = 300;

const server = createServer(
  createResourceServer({
    issuer: url,
    stepUp: { acrValues: [ONE_FACTOR], maxAge: MAX_AGE },
    log: () => {},
  }),
);
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close().closeAllConnections());
const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function call(token: string, path = '/notes/private') {
  const response = await fetch(`${api}${path}`, { headers: bearer(token) });
  return { status: response.status, challenge: response.headers.get('www-authenticate') ?? '' };
}

/** Makes the session one that began so long ago, as the engine remembers it. */
async function age(seconds: number): Promise<void> {
  await world.deps.postgres.knex.raw(
    `UPDATE sessions SET payload = jsonb_set(payload::jsonb, '{loginTs}',
       to_jsonb((payload ->> 'loginTs')::bigint - ?))::json WHERE user_id IS NOT NULL`,
    [seconds],
  );
}

/** The parameters of a challenge, as a client reads them. */
const parametersOf = (challenge: string): Record<string, string> =>
  Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, k = '', v = '']) => [k, v]),
  );

/** Authorizes in the browser that is signed in already: without a page, unless one is needed. */
async function authorizeAgain({ agent }: SignedIn, parameters: Record<string, string>) {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, parameters);
  const page = await agent.follow(request.url);
  const isAsked = page.url.origin === new URL(url).origin;
  const { email: identifier, password } = world.people.user;
  const end = isAsked ? await agent.submit(page, '/sign-in', { identifier, password }) : page;
  const tokens = await exchange(configuration, request, end.url);
  return { isAsked, accessToken: tokens.access_token };
}

test('challenge, new sign-in, fresh token, access: the whole of RFC 9470 by a client that knows only the challenge', async () => {
  const first = await signInForTokens(world);
  await age(MAX_AGE + 100);
  const silent = await authorizeAgain(first, {});
  assert.equal(silent.isAsked, false, 'single sign-on goes on');
  assert.equal((await call(silent.accessToken, '/notes')).status, 200);

  const refused = await call(silent.accessToken);
  assert.equal(refused.status, 401);
  const { error, acr_values, max_age } = parametersOf(refused.challenge);
  assert.equal(error, 'insufficient_user_authentication');
  assert.equal(acr_values, ONE_FACTOR);
  assert.equal(max_age, String(MAX_AGE));

  const stepped = await authorizeAgain(first, { acr_values, max_age });
  assert.equal(stepped.isAsked, true, 'the person must sign in again');
  const { acr, auth_time: authTime } = decodeJwt(stepped.accessToken);
  assert.equal(acr, ONE_FACTOR);
  assert.ok(Math.abs(Number(authTime) - Date.now() / 1000) < MAX_AGE);
  assert.equal((await call(stepped.accessToken)).status, 200);
});

test('an authentication without class or time satisfies nothing (RFC 9470 6)', () => {
  const now = 1_000_000;
  const good = { acr: 'strong', auth_time: now - 10 };
  const need = { acrValues: ['strong', 'stronger'], maxAge: 60 };
  const asked = { acr_values: 'strong stronger', max_age: '60' };
  assert.equal(findStepUp(good, need, now), undefined);
  assert.equal(findStepUp({ ...good, acr: 'stronger' }, need, now), undefined);
  assert.equal(findStepUp({}, {}, now), undefined);
  for (const claims of [
    {},
    { ...good, acr: 'weak' },
    { ...good, acr: ['strong'] },
    { ...good, acr: undefined },
    { ...good, auth_time: now - 70 },
    { ...good, auth_time: undefined },
    { ...good, auth_time: String(now) },
  ]) {
    assert.deepEqual(findStepUp(claims, need, now), asked, JSON.stringify(claims));
  }
  assert.deepEqual(findStepUp({}, { maxAge: 0 }, now), { max_age: '0' });
});
