import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { basic, createWorld, getJson, introspect, postForm } from './support.ts';

const world = await createWorld({
  settings: { AUTHORIZATION_DETAILS_TYPES: 'payment_initiation,account_information' },
});
const { url, people, deps } = world;
const token = `${url}/token`;
const credentials = { identifier: people.user.email, password: people.user.password };

const PAYMENT = {
  type: 'payment_initiation',
  actions: ['initiate', 'status'],
  locations: ['https://pay.example/payments'],
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant <A>',
};
const ACCOUNT = { type: 'account_information', actions: ['list_accounts'], datatypes: ['balance'] };

const seed = (isFirstParty: boolean, types = ['payment_initiation', 'account_information']) =>
  seedClient(deps, people.tenantId, {
    isFirstParty,
    metadata: { authorization_details_types: types },
  });

const client = await seed(false);

const requestOf = (of: TestClient, details: unknown, changes: Record<string, string> = {}) => ({
  client_id: of.clientId,
  redirect_uri: of.redirectUri,
  response_type: 'code',
  scope: 'openid',
  state: 'the state',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  authorization_details: typeof details === 'string' ? details : JSON.stringify(details),
  ...changes,
});

/** A sign-in up to the page that asks for consent. */
async function toConsent(of: TestClient, details: unknown) {
  const agent = createUserAgent(url);
  const asked = `${url}/authorize?${new URLSearchParams(requestOf(of, details))}`;
  const page = await agent.submit(await agent.follow(asked), '/sign-in', credentials);
  return { agent, page };
}

async function grantOf(of: TestClient, details: unknown, more: Record<string, string> = {}) {
  const { agent, page } = await toConsent(of, details);
  const end = await agent.submit(page, '/consent', { decision: 'allow' });
  const form = {
    grant_type: 'authorization_code',
    code: end.url.searchParams.get('code') ?? '',
    redirect_uri: of.redirectUri,
    code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    ...more,
  };
  return { agent, answer: await postForm(token, form, basic(of)) };
}

test('what was consented to is in the answer, the token and introspection (RFC 9396 7, 9)', async () => {
  const details = [PAYMENT, ACCOUNT];
  const { status, body } = (await grantOf(client, details)).answer;
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(body.authorization_details, details);
  const accessToken = String(body.access_token);
  assert.deepEqual(decodeJwt(accessToken).authorization_details, details);
  const { body: introspection } = await introspect(url, client, accessToken);
  assert.deepEqual(introspection.authorization_details, details);
});

test('the page shows all that is asked for, and runs none of it (RFC 9396 11.1, ASVS 10.7.2)', async () => {
  const { page } = await toConsent(client, [PAYMENT, ACCOUNT]);
  for (const shown of [
    'payment_initiation',
    'initiate',
    'https://pay.example/payments',
    '{&quot;currency&quot;:&quot;EUR&quot;,&quot;amount&quot;:&quot;123.50&quot;}',
    'Merchant &lt;A&gt;',
    'balance',
  ]) {
    assert.ok(page.html.includes(shown), shown);
  }
});

test('whoever says no gives nothing (RFC 9396 7)', async () => {
  const { agent, page } = await toConsent(client, [PAYMENT]);
  const end = await agent.submit(page, '/consent', { decision: 'deny' });
  assert.equal(end.url.searchParams.get('error'), 'access_denied');
});

test('every transaction is asked for, of first parties too, and never in silence', async () => {
  const first = await seed(true);
  const { agent } = await grantOf(first, [PAYMENT]);
  const query = (changes: Record<string, string>) =>
    `${url}/authorize?${new URLSearchParams(requestOf(first, [PAYMENT], changes))}`;
  assert.match((await agent.follow(query({}))).html, /payment_initiation/);
  const silent = await agent.follow(query({ prompt: 'none' }));
  assert.equal(silent.url.searchParams.get('error'), 'consent_required');
});

test('a consent to details does not outlive its request', async () => {
  const { agent } = await grantOf(client, [PAYMENT]);
  const { authorization_details: _, ...plain } = requestOf(client, []);
  const end = await agent.follow(`${url}/authorize?${new URLSearchParams(plain)}`);
  const form = {
    grant_type: 'authorization_code',
    code: end.url.searchParams.get('code') ?? '',
    redirect_uri: client.redirectUri,
    code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  };
  const { status, body } = await postForm(token, form, basic(client));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.authorization_details, undefined);
});

test('a token may hold a part of what was granted, and nothing else (RFC 9396 6)', async () => {
  const part = JSON.stringify([ACCOUNT]);
  const { body } = (await grantOf(client, [PAYMENT, ACCOUNT], { authorization_details: part }))
    .answer;
  assert.deepEqual(body.authorization_details, [ACCOUNT]);
  const dearer = { ...PAYMENT, instructedAmount: { currency: 'EUR', amount: '9999.00' } };
  const more = { authorization_details: JSON.stringify([dearer]) };
  const refused = (await grantOf(client, [PAYMENT], more)).answer;
  assert.equal(refused.status, 400);
  assert.equal(refused.body.error, 'invalid_authorization_details');
});

test('a refresh keeps what was granted, or takes a part of it (RFC 9396 6.1)', async () => {
  const { body } = (await grantOf(client, [PAYMENT, ACCOUNT])).answer;
  const refresh = (refresh_token: unknown, more: Record<string, string> = {}) =>
    postForm(
      token,
      { grant_type: 'refresh_token', refresh_token: String(refresh_token), ...more },
      basic(client),
    );
  const same = await refresh(body.refresh_token);
  assert.deepEqual(same.body.authorization_details, [PAYMENT, ACCOUNT]);
  const part = { authorization_details: JSON.stringify([ACCOUNT]) };
  const narrow = await refresh(same.body.refresh_token, part);
  assert.deepEqual(narrow.body.authorization_details, [ACCOUNT]);
});

test('client_credentials: what the registration allows, and no other type (RFC 9396 6)', async () => {
  const of = await seed(true, ['account_information']);
  const ask = (details: unknown) =>
    postForm(
      token,
      { grant_type: 'client_credentials', authorization_details: JSON.stringify(details) },
      basic(of),
    );
  assert.deepEqual((await ask([ACCOUNT])).body.authorization_details, [ACCOUNT]);
  const other = await ask([PAYMENT]);
  assert.equal(other.status, 400);
  assert.equal(other.body.error, 'invalid_authorization_details');
});

const deep = { type: 'payment_initiation', a: { b: { c: { d: { e: 1 } } } } };
const MALFORMED: [string, unknown][] = [
  ['no JSON', '{'],
  ['no array', '{"type":"payment_initiation"}'],
  ['no type', [{ actions: ['x'] }]],
  ['a type that is none', [{ type: 7 }]],
  ['an unknown type', [{ type: 'unknown' }]],
  ['actions that are no list', [{ ...PAYMENT, actions: 'initiate' }]],
  ['a place that is no URI', [{ ...PAYMENT, locations: ['here'] }]],
  ['too deep', [deep]],
  ['a text too long', [{ ...PAYMENT, creditorName: 'x'.repeat(501) }]],
  ['too many', Array.from({ length: 11 }, () => ({ type: 'payment_initiation' }))],
  ['too long', Array.from({ length: 9 }, () => ({ ...ACCOUNT, note: 'x'.repeat(490) }))],
];

for (const [what, details] of MALFORMED) {
  test(`authorization_details with ${what} are refused, in front and where they are pushed (RFC 9396 5)`, async () => {
    const request = requestOf(client, details);
    const end = await createUserAgent(url).follow(
      `${url}/authorize?${new URLSearchParams(request)}`,
    );
    assert.equal(end.url.searchParams.get('error'), 'invalid_authorization_details');
    const pushed = await postForm(`${url}/par`, request, basic(client));
    assert.equal(pushed.status, 400);
    assert.equal(pushed.body.error, 'invalid_authorization_details');
  });
}

test('discovery and registration know the types of the deployment (RFC 9396 10)', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.deepEqual(body.authorization_details_types_supported, [
    'payment_initiation',
    'account_information',
  ]);
  await assert.rejects(seed(true, ['unknown']), /authorization_details_types/);
});

test('a deployment that names no types has no such requests', async () => {
  const plain = await createWorld();
  const { body } = await getJson(`${plain.url}/.well-known/openid-configuration`);
  assert.equal(body.authorization_details_types_supported, undefined);
  const end = await createUserAgent(plain.url).follow(
    `${plain.url}/authorize?${new URLSearchParams({
      ...requestOf(plain.client, [PAYMENT]),
    })}`,
  );
  // RFC 6749 3.1: a parameter that is not known is ignored, and grants nothing.
  assert.ok(end.url.href.startsWith(`${plain.url}/interaction/`));
});
