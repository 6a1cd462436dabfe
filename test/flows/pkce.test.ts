import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { basic, createWorld, obtainCode, postForm, randomText } from './support.ts';

const world = await createWorld();
const { url, client, people } = world;

/** The authorization request of this client with some parameters changed; null takes one away. */
async function authorize(changes: Record<string, string | null>): Promise<URL> {
  const target = new URL(`${url}/authorize`);
  const parameters: Record<string, string | null> = {
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: 'the-state',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...changes,
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) target.searchParams.set(name, value);
  }
  const response = await createUserAgent(url).fetch(target);
  return new URL(response.headers.get('location') ?? 'about:blank', url);
}

const exchangeWith = async (verifier: string | null) => {
  const { form } = await obtainCode(world);
  const { code_verifier: _, ...rest } = form;
  return postForm(
    `${url}/token`,
    verifier === null ? rest : { ...rest, code_verifier: verifier },
    basic(client),
  );
};

test('a request without a code challenge is refused, for confidential clients too (ASVS 10.4.6)', async () => {
  const redirect = await authorize({ code_challenge: null, code_challenge_method: null });
  assert.equal(redirect.searchParams.get('error'), 'invalid_request');
  assert.equal(redirect.searchParams.get('state'), 'the-state');
  assert.equal(redirect.searchParams.get('iss'), url);
});

test('the method plain is refused, spelled out or by default (RFC 9700 2.1.1)', async () => {
  for (const method of ['plain', null, '']) {
    const redirect = await authorize({ code_challenge_method: method });
    assert.equal(redirect.searchParams.get('error'), 'invalid_request', String(method));
  }
});

test('a malformed code challenge is refused', async () => {
  for (const challenge of ['short', 'x'.repeat(129), `${'x'.repeat(42)}!`]) {
    const redirect = await authorize({ code_challenge: challenge });
    assert.equal(redirect.searchParams.get('error'), 'invalid_request', challenge);
  }
});

test('a well-formed request goes to the sign-in page, so that the refusals above mean something', async () => {
  assert.match((await authorize({})).pathname, /^\/interaction\//);
});

test('a code does not open without its verifier, nor with another one', async () => {
  for (const verifier of [null, '', randomText(), 'short', 'x'.repeat(129)]) {
    const { status, body } = await exchangeWith(verifier);
    assert.equal(status, 400, String(verifier));
    assert.match(String(body.error), /^invalid_(grant|request)$/);
    assert.equal(body.access_token, undefined);
  }
});

test('the challenge itself is no verifier: the server does not compare plainly', async () => {
  const { form, request } = await obtainCode(world);
  const challenge = request.url.searchParams.get('code_challenge') ?? '';
  const answer = await postForm(
    `${url}/token`,
    { ...form, code_verifier: challenge },
    basic(client),
  );
  assert.equal(answer.body.error, 'invalid_grant');
});

test('public clients need PKCE and get in with it', async () => {
  const publicClient = await seedClient(world.deps, people.tenantId, {
    metadata: {
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
    },
  });
  const { form } = await obtainCode(world, { client: publicClient });
  const named = { ...form, client_id: publicClient.clientId };
  const { code_verifier: _, ...without } = named;
  assert.equal((await postForm(`${url}/token`, without)).body.error, 'invalid_grant');
  const answer = await postForm(`${url}/token`, named);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
});

test('a verifier for a code without a challenge is refused (downgrade, RFC 9700 4.8.2)', async () => {
  // Every code here has a challenge, so one is made by the engine's own model without it.
  const { provider } = world.deps.engine.current();
  const stored = await provider.Client.find(client.clientId);
  assert.ok(stored);
  const { user } = people;
  const grant = new provider.Grant({ accountId: user.id, clientId: client.clientId });
  grant.addOIDCScope('openid');
  const grantId = await grant.save();
  const code = new provider.AuthorizationCode({
    accountId: user.id,
    client: stored,
    grantId,
    redirectUri: client.redirectUri,
    scope: 'openid',
    gty: 'authorization_code',
  } as never);
  const value = await code.save();
  const form = {
    grant_type: 'authorization_code',
    code: value,
    redirect_uri: client.redirectUri,
    code_verifier: randomText(),
  };
  const answer = await postForm(`${url}/token`, form, basic(client));
  assert.equal(answer.status, 400);
  assert.equal(answer.body.error, 'invalid_grant');
});
