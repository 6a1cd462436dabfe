import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import {
  type Answer,
  addUser,
  basic,
  bearer,
  createWorld,
  eventsOf,
  getJson,
  introspect,
  isDeadEverywhere,
  postForm,
  signInForTokens,
} from './support.ts';
import {
  actor,
  exchangeToken,
  GRANT,
  ownToken,
  seedExchanger,
  tokenType,
} from './token-exchange-support.ts';

const world = await createWorld();
const { url, people, deps } = world;
const lotus = people.tenantId;
const API = `${url}/api`;
const maple = (await deps.tenants.create({ slug: 'maple', name: 'Maple Clinic' })).id;
const platform = (await deps.tenants.ensurePlatform()).id;
const ROOT = { grant_types: ['authorization_code', 'refresh_token', 'client_credentials', GRANT] };

/** The application that people sign in to; it may exchange its own tokens. */
const portal = await seedClient(deps, lotus, { metadata: ROOT });
/** A service behind the API, of the same tenant. */
const notes = await seedExchanger(world, lotus);
/** Another, of the operator's own. */
const search = await seedExchanger(world, platform);
/** One that may impersonate. */
const support = await seedExchanger(world, lotus, { metadata: { may_impersonate: true } });

const signedIn = await signInForTokens(world, { client: portal });
const { accessToken } = signedIn;
const original = decodeJwt(accessToken);

function assertIssued({ status, body }: Answer): Record<string, unknown> {
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.issued_token_type, tokenType('access_token'));
  assert.equal(body.token_type, 'Bearer');
  assert.equal(body.refresh_token, undefined);
  assert.equal(body.id_token, undefined);
  return decodeJwt(String(body.access_token));
}

function assertRefused({ status, body }: Answer, error: string, why?: string): void {
  assert.equal(body.error, error, `${why}: ${JSON.stringify(body)}`);
  assert.equal(status, 400, why);
  assert.equal(body.access_token, undefined);
}

const asActor = async (client: typeof notes) => actor(await ownToken(url, client));

test('a client narrows its own token: fewer scopes, the frozen claims, the same audience (RFC 8693 2.1)', async () => {
  const answer = await exchangeToken(url, portal, accessToken, { scope: 'openid email' });
  const claims = assertIssued(answer);
  assert.equal(answer.body.scope, 'openid email');
  assert.equal(claims.scope, 'openid email');
  assert.equal(claims.client_id, portal.clientId);
  for (const name of ['iss', 'sub', 'aud', 'tid', 'tids', 'amr', 'acr', 'sid', 'auth_time']) {
    assert.deepEqual(claims[name], original[name], name);
  }
  assert.equal(claims.act, undefined);
  assert.notEqual(claims.jti, original.jti);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  const me = await getJson(`${url}/api/v1/me`, bearer(String(answer.body.access_token)));
  assert.equal(me.body.id, people.user.id);
});

test('the new token never outlives the one that it was exchanged for', async () => {
  const answer = await exchangeToken(url, portal, accessToken);
  const claims = assertIssued(answer);
  assert.ok(Number(claims.exp) <= Number(original.exp));
  assert.ok(Number(answer.body.expires_in) <= Number(original.exp) - Number(claims.iat));
});

test('what was not held cannot be had: scope beyond token, registration or resource (CVE-2024-52287)', async () => {
  const narrow = assertIssuedToken(
    await exchangeToken(url, portal, accessToken, { scope: 'openid' }),
  );
  assertRefused(
    await exchangeToken(url, portal, narrow, { scope: 'openid email' }),
    'invalid_scope',
  );
  assertRefused(
    await exchangeToken(url, portal, accessToken, { scope: 'tenant:users:write' }),
    'invalid_scope',
  );
  assertRefused(await exchangeToken(url, portal, accessToken, { scope: 'phone' }), 'invalid_scope');
  assertRefused(
    await exchangeToken(url, portal, accessToken, { scope: 'offline_access' }),
    'invalid_scope',
  );
  const registered = await seedExchanger(world, lotus, { metadata: { scope: 'openid' } });
  const more = { ...(await asActor(registered)), scope: 'openid email' };
  assertRefused(await exchangeToken(url, registered, accessToken, more), 'invalid_scope');
  const silent = await exchangeToken(url, registered, accessToken, await asActor(registered));
  assert.equal(assertIssued(silent).scope, 'openid', 'narrowed where nothing was asked for');
});

function assertIssuedToken(answer: Answer): string {
  assertIssued(answer);
  return String(answer.body.access_token);
}

test('an unknown target, and more than one, is invalid_target (RFC 8693 2.2.2)', async () => {
  for (const target of [
    { resource: 'https://nowhere.example/' },
    { audience: 'https://nowhere.example/' },
    { audience: 'no address' },
    { resource: `${API}#x` },
    { resource: API, audience: 'https://nowhere.example/' },
  ] as Record<string, string>[]) {
    const answer = await exchangeToken(url, portal, accessToken, target);
    assertRefused(answer, 'invalid_target', JSON.stringify(target));
  }
  const twice = new URLSearchParams({
    grant_type: GRANT,
    subject_token: accessToken,
    subject_token_type: tokenType('access_token'),
  });
  twice.append('audience', API);
  twice.append('audience', 'https://nowhere.example/');
  assertRefused(await postForm(`${url}/token`, twice, basic(portal)), 'invalid_target');
  for (const target of [{ resource: API }, { audience: API }, { resource: API, audience: API }]) {
    assertIssued(await exchangeToken(url, portal, accessToken, target as Record<string, string>));
  }
});

test('a service acts for the person, and the token says so (RFC 8693 4.1)', async () => {
  const answer = await exchangeToken(url, notes, accessToken, await asActor(notes));
  const claims = assertIssued(answer);
  assert.equal(claims.sub, people.user.id);
  assert.equal(claims.client_id, notes.clientId);
  assert.deepEqual(claims.act, { sub: notes.clientId });
  assert.equal(claims.tid, lotus);
  const { body } = await introspect(url, portal, String(answer.body.access_token));
  assert.equal(body.active, true);
  assert.deepEqual(body.act, { sub: notes.clientId });
  const me = await getJson(`${url}/api/v1/me`, bearer(String(answer.body.access_token)));
  assert.equal(me.status, 200);
});

test('a chain of services is a chain of actors, the present one outermost, and ends after four', async () => {
  const services = [notes, search];
  for (let more = 0; more < 3; more += 1) services.push(await seedExchanger(world, lotus));
  let token = accessToken;
  const chain: string[] = [];
  for (const [index, service] of services.entries()) {
    const answer = await exchangeToken(url, service, token, await asActor(service));
    if (index === 4) {
      assertRefused(answer, 'invalid_request', 'the fifth');
      break;
    }
    token = assertIssuedToken(answer);
    chain.unshift(service.clientId);
    const expected = chain.reduceRight<object | undefined>(
      (act, sub) => (act ? { sub, act } : { sub }),
      undefined,
    );
    assert.deepEqual(decodeJwt(token).act, expected);
  }
  assert.equal(chain.length, 4);
});

test('nobody leaves the chain by exchanging again: impersonation keeps the actors', async () => {
  const token = assertIssuedToken(
    await exchangeToken(url, notes, accessToken, await asActor(notes)),
  );
  const narrowed = await exchangeToken(url, notes, token, { scope: 'openid' });
  const own = assertIssued(narrowed);
  const { body } = await introspect(url, notes, String(narrowed.body.access_token));
  assert.equal(body.active, true, 'it lives like the one that it came from');
  assert.deepEqual(own.act, { sub: notes.clientId }, 'narrowing its own token');
  const same = assertIssued(await exchangeToken(url, notes, token, await asActor(notes)));
  assert.deepEqual(same.act, { sub: notes.clientId }, 'the same actor once more');
  const other = assertIssued(await exchangeToken(url, support, token));
  assert.deepEqual(other.act, { sub: notes.clientId }, 'impersonation');
});

test('a person acts for another of the same tenant, by a token of their own', async () => {
  const helper = await addUser(world, 'helper');
  const { accessToken: helperToken } = await signInForTokens(world, {
    client: portal,
    credentials: helper,
  });
  const claims = assertIssued(await exchangeToken(url, portal, accessToken, actor(helperToken)));
  assert.equal(claims.sub, people.user.id);
  assert.deepEqual(claims.act, { sub: helper.id });
});

test("an actor's token must be valid, the presenting client's own, and of the same tenant", async () => {
  const foreign = await ownToken(url, search);
  assertRefused(await exchangeToken(url, notes, accessToken, actor(foreign)), 'invalid_request');
  assertRefused(await exchangeToken(url, notes, accessToken, actor('x')), 'invalid_request');
  assertRefused(
    await exchangeToken(url, notes, accessToken, { actor_token: await ownToken(url, notes) }),
    'invalid_request',
    'without its type',
  );
  assertRefused(
    await exchangeToken(url, notes, accessToken, { actor_token_type: tokenType('access_token') }),
    'invalid_request',
    'without the token',
  );
  const delegated = assertIssuedToken(
    await exchangeToken(url, notes, accessToken, await asActor(notes)),
  );
  assertRefused(
    await exchangeToken(url, notes, accessToken, actor(delegated)),
    'invalid_request',
    'an actor for whom somebody acts',
  );
});

test('only a client that may impersonate gets a token without an actor, and it is noted (RFC 8693 1.1)', async () => {
  assertRefused(await exchangeToken(url, notes, accessToken), 'invalid_request');
  const claims = assertIssued(await exchangeToken(url, support, accessToken, { scope: 'openid' }));
  assert.equal(claims.act, undefined);
  assert.equal(claims.sub, people.user.id);
  assert.equal(claims.client_id, support.clientId);
  const [event] = (await eventsOf(deps, 'identity.token.exchanged.v1')).filter(
    ({ data }) => data.kind === 'impersonation' && data.scope === 'openid',
  );
  assert.ok(event);
  assert.equal(event.subject, people.user.id);
  assert.equal(event.tenant_id, lotus);
  assert.deepEqual(event.data, {
    userId: people.user.id,
    clientId: support.clientId,
    kind: 'impersonation',
    subjectClientId: portal.clientId,
    subjectIssuer: null,
    actors: [],
    audience: API,
    scope: 'openid',
  });
});

test('every exchange leaves one record, a refused one none', async () => {
  const before = (await eventsOf(deps, 'identity.token.exchanged.v1')).length;
  assertIssued(await exchangeToken(url, notes, accessToken, await asActor(notes)));
  assertRefused(await exchangeToken(url, notes, accessToken), 'invalid_request');
  const events = await eventsOf(deps, 'identity.token.exchanged.v1');
  assert.equal(events.length, before + 1);
  assert.equal(events.at(-1)?.data.kind, 'delegation');
  assert.deepEqual(events.at(-1)?.data.actors, [notes.clientId]);
  assert.ok(!JSON.stringify(events).includes('eyJ'), 'no token in an event');
});

test('a client of another tenant, or a stranger to the audience, cannot present the token', async () => {
  const elsewhere = await seedExchanger(world, maple, { metadata: { may_impersonate: true } });
  const thirdParty = await seedExchanger(world, lotus, {
    isFirstParty: false,
    metadata: { may_impersonate: true },
  });
  for (const client of [elsewhere, thirdParty]) {
    assertRefused(await exchangeToken(url, client, accessToken), 'invalid_request');
    const more = await asActor(client);
    assertRefused(await exchangeToken(url, client, accessToken, more), 'invalid_request');
  }
  assertIssued(await exchangeToken(url, search, accessToken, await asActor(search)));
});

test('only confidential clients that are registered for it may exchange', async () => {
  const plain = await seedClient(deps, lotus);
  assert.equal((await exchangeToken(url, plain, accessToken)).status, 400);
  const open = await seedClient(deps, lotus, {
    metadata: {
      ...ROOT,
      grant_types: ['authorization_code', GRANT],
      token_endpoint_auth_method: 'none',
    },
  });
  const form = {
    grant_type: GRANT,
    client_id: open.clientId,
    subject_token: accessToken,
    subject_token_type: tokenType('access_token'),
  };
  assertRefused(await postForm(`${url}/token`, form), 'unauthorized_client');
  const wrong = { ...notes, clientSecret: 'x'.repeat(43) };
  const { status, body } = await exchangeToken(url, wrong, accessToken);
  assert.deepEqual([status, body.error], [401, 'invalid_client']);
});

test('what cannot be exchanged is an invalid request (RFC 8693 2.2.2)', async () => {
  const service = await ownToken(url, portal);
  const cases: [string, string | undefined, Record<string, string | undefined>][] = [
    ['no subject', undefined, {}],
    ['no type', accessToken, { subject_token_type: undefined }],
    ['a refresh token', signedIn.refreshToken, { subject_token_type: tokenType('refresh_token') }],
    ['a refresh token in disguise', signedIn.refreshToken, {}],
    ['an ID token', signedIn.idToken, { subject_token_type: tokenType('id_token') }],
    ['an ID token in disguise', signedIn.idToken, {}],
    ['a SAML assertion', accessToken, { subject_token_type: tokenType('saml2') }],
    ['an unknown type', accessToken, { subject_token_type: 'access_token' }],
    ['nonsense', 'nonsense', {}],
    ['a JWT of nobody', 'eyJhbGciOiJub25lIn0.e30.', {}],
    ['an altered token', `${accessToken.slice(0, -4)}AAAA`, {}],
    ["a client's own token", service, {}],
    [
      'a wish for a refresh token',
      accessToken,
      { requested_token_type: tokenType('refresh_token') },
    ],
    ['a wish for an ID token', accessToken, { requested_token_type: tokenType('id_token') }],
  ];
  for (const [why, token, more] of cases) {
    assertRefused(await exchangeToken(url, portal, token, more), 'invalid_request', why);
  }
  const jwt = { subject_token_type: tokenType('jwt'), requested_token_type: tokenType('jwt') };
  assertIssued(await exchangeToken(url, portal, accessToken, jwt));
});

test('each parameter is given once (RFC 6749 3.2)', async () => {
  for (const name of ['subject_token', 'subject_token_type', 'scope', 'grant_type']) {
    const form = new URLSearchParams({
      grant_type: GRANT,
      subject_token: accessToken,
      subject_token_type: tokenType('access_token'),
      scope: 'openid',
    });
    form.append(name, form.get(name) ?? '');
    assertRefused(await postForm(`${url}/token`, form, basic(portal)), 'invalid_request', name);
  }
});

test('revoking a token keeps it from being exchanged, and its grant reaches every token below', async () => {
  const session = await signInForTokens(world, { client: portal });
  const delegated = assertIssuedToken(
    await exchangeToken(url, notes, session.accessToken, await asActor(notes)),
  );
  const deeper = assertIssuedToken(
    await exchangeToken(url, search, delegated, await asActor(search)),
  );
  await postForm(`${url}/revoke`, { token: session.refreshToken }, basic(portal));
  for (const token of [session.accessToken, delegated, deeper]) {
    assert.ok(await isDeadEverywhere(url, notes, token));
  }
  assertRefused(await exchangeToken(url, portal, session.accessToken), 'invalid_request');
  const more = await asActor(search);
  assertRefused(await exchangeToken(url, search, delegated, more), 'invalid_request');
});

test('a grant that ended reaches an exchanged token even where the revocation set was lost', async () => {
  const session = await signInForTokens(world, { client: portal });
  const delegated = assertIssuedToken(
    await exchangeToken(url, notes, session.accessToken, await asActor(notes)),
  );
  await postForm(`${url}/revoke`, { token: session.refreshToken }, basic(portal));
  const grantId = String(decodeJwt(delegated).jti).split('.')[0];
  await deps.redis.del(`revoked:grant:{${grantId}}`);
  assert.equal((await introspect(url, notes, delegated)).body.active, false);
});

test('ending the session reaches an exchanged token', async () => {
  const session = await signInForTokens(world, { client: portal });
  const delegated = assertIssuedToken(
    await exchangeToken(url, notes, session.accessToken, await asActor(notes)),
  );
  assert.equal((await introspect(url, notes, delegated)).body.active, true);
  await deps.sessions.end({
    tenantId: lotus,
    userId: people.user.id,
    sessionId: String(decodeJwt(delegated).sid),
    reason: 'ended_by_administrator',
  });
  assert.ok(await isDeadEverywhere(url, notes, delegated));
});

test('revoking an exchanged token ends that one, and not the grant of the client it came from', async () => {
  const session = await signInForTokens(world, { client: portal });
  const delegated = assertIssuedToken(
    await exchangeToken(url, notes, session.accessToken, await asActor(notes)),
  );
  await postForm(`${url}/revoke`, { token: delegated }, basic(portal));
  assert.equal(
    (await introspect(url, notes, delegated)).body.active,
    true,
    'it is not the portal’s',
  );
  await postForm(`${url}/revoke`, { token: delegated }, basic(notes));
  assert.equal((await introspect(url, notes, delegated)).body.active, false);
  assert.equal((await introspect(url, portal, session.accessToken)).body.active, true);
});

test('a person who was suspended, or has left the tenant, is exchanged for no more', async () => {
  const guest = await addUser(world, 'guest');
  const { accessToken: token } = await signInForTokens(world, {
    client: portal,
    credentials: guest,
  });
  const more = await asActor(notes);
  assertIssued(await exchangeToken(url, notes, token, more));
  const users = deps.postgres.knex('users').where({ id: guest.id });
  await users.clone().update({ status: 'suspended' });
  assertRefused(await exchangeToken(url, notes, token, more), 'invalid_request');
  await users.clone().update({ status: 'active' });
  await deps.postgres.knex('tenant_members').where({ user_id: guest.id }).delete();
  assertRefused(await exchangeToken(url, notes, token, more), 'invalid_request');
});
