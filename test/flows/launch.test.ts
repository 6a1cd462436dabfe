import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { bearer, createWorld } from './support.ts';

const world = await createWorld();
const { url, deps, people, client } = world;
const START = 'https://app.lotus.example/start?from=gatehouse';

const seed = (metadata: Record<string, unknown>) => seedClient(deps, people.tenantId, { metadata });
const launchable = await seed({ initiate_login_uri: START });

const launch = (clientId: string, query: string | Record<string, string> = {}) =>
  fetch(`${url}/launch/${encodeURIComponent(clientId)}?${new URLSearchParams(query)}`, {
    redirect: 'manual',
    headers: { accept: 'text/html' },
  });

const targetOf = (response: Response): URL => {
  assert.equal(response.status, 303);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  return new URL(response.headers.get('location') ?? '');
};

test('initiate_login_uri is kept as registered, and must be https (Dynamic Registration 2)', async () => {
  const stored = await deps.clients.find(launchable.clientId);
  assert.equal(stored?.metadata.initiate_login_uri, START);
  for (const uri of ['http://app.lotus.example/start', 'javascript:alert(1)', 'start', 7]) {
    await assert.rejects(seed({ initiate_login_uri: uri }), { code: 'IDENT_VALIDATION' });
  }
});

test('a client that registers itself may name it too (OpenID Connect Dynamic Registration 2)', async () => {
  const { token } = await deps.initialAccessTokens.create({ tenantId: people.tenantId });
  const response = await fetch(`${url}/register`, {
    method: 'POST',
    headers: { ...bearer(token), 'content-type': 'application/json' },
    body: JSON.stringify({
      redirect_uris: ['https://app.lotus.example/cb'],
      initiate_login_uri: START,
    }),
  });
  assert.equal(response.status, 201);
  const body = (await response.json()) as Record<string, unknown>;
  assert.equal(body.initiate_login_uri, START);
  assert.equal(targetOf(await launch(String(body.client_id))).searchParams.get('iss'), url);
});

test('a launch goes to the application with the issuer, as it registered the address (OpenID Connect Core 4)', async () => {
  const target = targetOf(await launch(launchable.clientId));
  assert.equal(`${target.origin}${target.pathname}`, 'https://app.lotus.example/start');
  assert.deepEqual(Object.fromEntries(target.searchParams), { from: 'gatehouse', iss: url });
});

test('a hint and a target of the application are passed on, everything else is left behind', async () => {
  const target = targetOf(
    await launch(launchable.clientId, {
      login_hint: 'an@lotus.example',
      target_link_uri: 'https://app.lotus.example/patients/7?tab=notes',
      iss: 'https://evil.example',
      from: 'elsewhere',
    }),
  );
  assert.deepEqual(Object.fromEntries(target.searchParams), {
    from: 'gatehouse',
    iss: url,
    login_hint: 'an@lotus.example',
    target_link_uri: 'https://app.lotus.example/patients/7?tab=notes',
  });
});

test('a target that is not of the application is refused: no open redirector (RFC 9700 4.11)', async () => {
  for (const uri of [
    'https://evil.example/',
    'https://app.lotus.example.evil.example/',
    'https://app.lotus.example@evil.example/',
    'javascript:alert(1)',
    '//evil.example',
    `https://app.lotus.example/${'x'.repeat(2_048)}`,
  ]) {
    const response = await launch(launchable.clientId, { target_link_uri: uri });
    assert.equal(response.status, 400, uri);
    assert.equal(response.headers.get('location'), null);
  }
  for (const query of [`login_hint=${'x'.repeat(257)}`, 'login_hint=a&login_hint=b']) {
    assert.equal((await launch(launchable.clientId, query)).status, 400, query);
  }
});

test('an unknown client, one without the address and a disabled one look alike', async () => {
  const disabled = await seed({ initiate_login_uri: START });
  await deps.postgres
    .knex('clients')
    .where({ client_id: disabled.clientId })
    .update({ disabled_at: new Date() });
  for (const clientId of ['nobody', client.clientId, disabled.clientId, '%', '\u0000']) {
    assert.equal((await launch(clientId)).status, 404, clientId);
  }
});

test('what the application starts after a launch is an ordinary sign-in', async () => {
  const hint = { login_hint: people.user.email };
  const started = targetOf(await launch(launchable.clientId, hint)).searchParams;
  assert.equal(started.get('iss'), url);
  const configuration = await discover(String(started.get('iss')), launchable);
  const request = await authorizationRequest(configuration, launchable.redirectUri, {
    login_hint: String(started.get('login_hint')),
  });
  const { email: identifier, password } = people.user;
  const redirect = await signIn(createUserAgent(url), request, { identifier, password });
  assert.ok((await exchange(configuration, request, redirect)).access_token);
});
