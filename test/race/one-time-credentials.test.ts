import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answerDevice,
  pollDevice,
  seedDeviceClient,
  startDevice,
} from '../flows/device-support.ts';
import {
  type Answer,
  basic,
  introspect,
  postForm,
  randomText,
  signInForTokens,
  startRacers,
} from '../flows/support.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { assertionOf, createKeys, dpopProof } from '../helpers/keys.ts';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';

/**
 * What may be used once only, under fire: pushed requests, client assertions,
 * DPoP proofs, device codes, initial access tokens. Two processes on one database and Redis, each
 * with a store that answers five milliseconds late, so that reads and the writes
 * that follow them interleave.
 */

const PARALLEL = 100;

// Behind a proxy, as replicas are: a proof names the address that clients know.
const { world, twin } = await startRacers({ TRUSTED_PROXIES: '127.0.0.1' });
const { client, deps, people } = world;
const instances = [world.url, twin.url];
const credentials = { identifier: people.user.email, password: people.user.password };
const keys = await createKeys('ES256');

const inParallel = <T>(use: (url: string) => Promise<T>): Promise<T[]> =>
  Promise.all(
    Array.from({ length: PARALLEL }, (_, index) => use(instances[index % 2] ?? world.url)),
  );

/** One success, and every other one is refused with this status and error. */
function assertOneWon(answers: Answer[], refusal: { status: number; error: string }): Answer {
  const winners = answers.filter(({ status }) => status === 200);
  const others = answers.filter((answer) => !winners.includes(answer));
  assert.equal(winners.length, 1);
  const seen = new Set(others.map(({ status, body }) => `${status} ${body.error}`));
  assert.deepEqual([...seen], [`${refusal.status} ${refusal.error}`]);
  return winners[0] as Answer;
}

/** Pushes a request and opens it as a browser with a session does, at one instance. */
async function push(): Promise<string> {
  const { status, body } = await postForm(
    `${world.url}/par`,
    {
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      state: randomText(8),
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    },
    basic(client),
  );
  assert.equal(status, 201);
  return String(body.request_uri);
}

async function open(url: string, agent: UserAgent, requestUri: string) {
  const query = new URLSearchParams({ client_id: client.clientId, request_uri: requestUri });
  const cookie = [...agent.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const response = await fetch(`${url}/authorize?${query}`, {
    redirect: 'manual',
    headers: { cookie, accept: 'application/json' },
  });
  const location = response.headers.get('location');
  const end = location ? new URL(location, url).searchParams : undefined;
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  const body = isJson ? ((await response.json()) as Record<string, unknown>) : {};
  return { code: end?.get('code') ?? null, error: end?.get('error') ?? body.error };
}

test(`of ${PARALLEL} openings of one pushed request at once exactly one is authorized (RFC 9126 4, 7.3)`, async () => {
  const { agent } = await signInForTokens(world);
  const requestUri = await push();
  const ends = await inParallel((url) => open(url, agent, requestUri));
  assert.equal(ends.filter(({ code }) => code !== null).length, 1);
  const errors = new Set(ends.filter(({ code }) => code === null).map(({ error }) => error));
  assert.deepEqual([...errors], ['invalid_request_uri']);
  const later = await open(world.url, agent, requestUri);
  assert.deepEqual([later.code, later.error], [null, 'invalid_request_uri']);
});

test(`of ${PARALLEL} uses of one client assertion at once exactly one opens (RFC 7523 3, RFC 9700 2.5)`, async () => {
  const asymmetric = await seedClient(deps, people.tenantId, {
    metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: keys.jwks },
  });
  const assertion = await assertionOf(keys, asymmetric.clientId, world.config.ISSUER);
  const form = { grant_type: 'client_credentials', ...assertion };
  const winner = assertOneWon(await inParallel((url) => postForm(`${url}/token`, form)), {
    status: 401,
    error: 'invalid_client',
  });
  assert.ok(winner.body.access_token);
});

test(`of ${PARALLEL} uses of one assertion at different endpoints exactly one opens`, async () => {
  const asymmetric = await seedClient(deps, people.tenantId, {
    metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: keys.jwks },
  });
  const assertion = await assertionOf(keys, asymmetric.clientId, world.config.ISSUER);
  let turn = 0;
  const answers = await inParallel((url) => {
    turn += 1;
    const [path, form] =
      turn % 3 === 0
        ? ['/introspect', { token: 'x' }]
        : turn % 3 === 1
          ? ['/revoke', { token: 'x' }]
          : ['/token', { grant_type: 'client_credentials' }];
    return postForm(`${url}${path}`, { ...form, ...assertion } as Record<string, string>);
  });
  assertOneWon(answers, { status: 401, error: 'invalid_client' });
});

test(`of ${PARALLEL} uses of one DPoP proof at the token endpoint exactly one opens (RFC 9449 11.1)`, async () => {
  const proof = await dpopProof(keys, { method: 'POST', url: `${world.config.ISSUER}/token` });
  const answers = await inParallel((url) =>
    postForm(
      `${url}/token`,
      { grant_type: 'client_credentials' },
      { ...basic(client), dpop: proof, 'x-forwarded-host': new URL(world.config.ISSUER).host },
    ),
  );
  assertOneWon(answers, { status: 400, error: 'invalid_dpop_proof' });
});

test(`of ${PARALLEL} polls with one approved device code at once exactly one gets tokens (RFC 8628 3.5)`, async () => {
  const device = await seedDeviceClient(world);
  const { user_code, device_code } = await startDevice(world.url, device);
  const agent = createUserAgent(world.url);
  await agent.submit(await answerDevice(agent, user_code, 'confirm'), '/sign-in', credentials);
  const winner = assertOneWon(await inParallel((url) => pollDevice(url, device, device_code)), {
    status: 400,
    error: 'invalid_grant',
  });
  const { body } = await introspect(twin.url, device, String(winner.body.access_token));
  assert.equal(body.active, true, 'a client that repeats itself keeps what it got');
});

test(`of ${PARALLEL} registrations with one initial access token at once exactly one succeeds (RFC 7591 3)`, async () => {
  const { token } = await deps.initialAccessTokens.create({ tenantId: people.tenantId });
  let address = 0;
  const answers = await inParallel(async (url) => {
    address += 1;
    const response = await fetch(`${url}/register`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        // An address each: what is tried here is not the limit.
        'x-forwarded-for': `192.0.2.${address}`,
      },
      body: JSON.stringify({ redirect_uris: ['https://app.example/callback'] }),
    });
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body };
  });
  const registered = answers.filter(({ status }) => status === 201);
  assert.equal(registered.length, 1);
  const refused = answers.filter(({ status }) => status !== 201);
  const seen = new Set(refused.map(({ status, body }) => `${status} ${body.error}`));
  assert.deepEqual([...seen], ['401 invalid_token']);
  const clients = await deps.postgres
    .knex('clients')
    .whereRaw(`metadata -> 'redirect_uris' @> '["https://app.example/callback"]'`);
  assert.equal(clients.length, 1, 'nothing is left of those that were refused');
});

test('nothing in these races was an error of ours', () => {
  for (const { logs } of [world, twin]) {
    const errors = logs.filter(({ level }) => level === 'error');
    assert.deepEqual(errors, []);
  }
});
