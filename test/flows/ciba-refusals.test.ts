import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import {
  askCiba,
  CIBA_GRANT,
  createCibaWorld,
  openLink,
  pollCiba,
  seedCibaClient,
  startCiba,
  takeLink,
} from './ciba-support.ts';
import { basic, createWorld, getJson, postForm, signInForTokens } from './support.ts';

const world = await createCibaWorld({
  settings: { TRUSTED_PROXIES: '127.0.0.1', AUTHORIZATION_DETAILS_TYPES: 'payment' },
});
const { url, people, mailbox } = world;
const { deps } = world;
const hint = { login_hint: people.user.email };
let addresses = 0;

const createUser = (email: string, more: object = {}) =>
  deps.users.create(
    { tenantId: people.tenantId, email, emailVerified: true, ...more },
    people.user.password,
  );

/** Fails to sign in so often that the account is closed. */
async function lock(email: string): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    addresses += 1;
    const agent = createUserAgent(url, { 'x-forwarded-for': `198.51.100.${addresses}` });
    const credentials = { identifier: email, password: 'wrong' };
    await signInForTokens(world, { agent, credentials }).catch(() => undefined);
  }
}

/** Asks about somebody and, after them, about a person who does get mail. @returns both answers */
async function askBoth(login_hint: string) {
  const client = await seedCibaClient(world);
  const asked = await askCiba(url, client, { login_hint });
  const usual = await askCiba(url, client, hint);
  await takeLink(world);
  return { client, asked, usual };
}

/** Asserts that nothing tells the answer from one about a person who is reached. */
async function assertNothingComes(login_hint: string): Promise<void> {
  const before = mailbox.mails.filter(({ to }) => to.includes(login_hint)).length;
  const { client, asked, usual } = await askBoth(login_hint);
  assert.equal(asked.status, 200);
  assert.deepEqual(Object.keys(asked.body).sort(), Object.keys(usual.body).sort());
  assert.equal(asked.body.expires_in, usual.body.expires_in);
  assert.equal(String(asked.body.auth_req_id).length, String(usual.body.auth_req_id).length);
  const id = String(asked.body.auth_req_id);
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');
  // Mails leave in the order of their requests: the later one has come.
  const after = mailbox.mails.filter(({ to }) => to.includes(login_hint)).length;
  assert.equal(after, before);
}

test('a hint that means nobody is answered like any other, and nothing comes of it', async () => {
  for (const login_hint of ['nobody@lotus.example', '+84900000000', 'no.such', 'x'.repeat(400)]) {
    await assertNothingComes(login_hint);
  }
});

test('a locked account: CIBA completes in a browser of its owner only, and nothing new is asked (CVE-2026-9798)', async () => {
  const email = 'locked@lotus.example';
  await createUser(email);
  const client = await seedCibaClient(world);
  const credentials = { identifier: email, password: people.user.password };
  const id = await startCiba(url, client, { login_hint: email });
  const link = await takeLink(world, email);
  const { agent, page } = await openLink(world, link, { credentials });
  await lock(email);
  const { pathname } = new URL(link);
  const { action, fields } = findForm(page, pathname);
  const strange = [...agent.cookies].filter(([name]) => !name.endsWith('gh_device'));
  assert.equal(strange.length, agent.cookies.size - 1, 'a browser that the account does not know');
  const end = await agent.fetch(action, {
    method: 'POST',
    headers: { cookie: strange.map((pair) => pair.join('=')).join('; ') },
    body: new URLSearchParams({ ...fields, decision: 'allow' }),
  });
  assert.equal(end.status, 423);
  assert.match(await end.text(), /This account is locked for now/);
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');
  await assertNothingComes(email);
  // A stranger's failed tries must not shut the owner out.
  const allowed = await agent.submit(page, pathname, { decision: 'allow' });
  assert.ok(allowed.response.ok, String(allowed.response.status));
});

test('a suspended person, and one whose address is not confirmed, are not written to', async () => {
  const suspended = await createUser('suspended@lotus.example');
  await deps.postgres.knex('users').where({ id: suspended.id }).update({ status: 'suspended' });
  await createUser('unconfirmed@lotus.example', { emailVerified: false });
  await assertNothingComes('suspended@lotus.example');
  await assertNothingComes('unconfirmed@lotus.example');
});

test('a person who is suspended after the mail cannot allow', async () => {
  const email = 'later@lotus.example';
  const user = await createUser(email);
  const client = await seedCibaClient(world);
  const id = await startCiba(url, client, { login_hint: email });
  const link = await takeLink(world, email);
  const credentials = { identifier: email, password: people.user.password };
  const { agent, page } = await openLink(world, link, { credentials });
  await deps.postgres.knex('users').where({ id: user.id }).update({ status: 'suspended' });
  await agent.submit(page, new URL(link).pathname, { decision: 'allow' });
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');
});

test('a person of another tenant is nobody to a tenant’s client', async () => {
  const other = await deps.tenants.create({ slug: 'other', name: 'Other' });
  const email = 'far@other.example';
  await deps.users.create({ tenantId: other.id, email, emailVerified: true }, 'a long password');
  await assertNothingComes(email);
});

test('people are not flooded: unanswered requests are bounded, allowed ones do not count', async () => {
  const email = 'busy@lotus.example';
  await createUser(email);
  const client = await seedCibaClient(world);
  const ask = () => askCiba(url, client, { login_hint: email });
  for (let turn = 0; turn < 5; turn += 1) assert.equal((await ask()).status, 200);
  const refused = await ask();
  assert.equal(refused.status, 429);
  assert.equal(refused.body.error, 'temporarily_unavailable');
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  const nobody = { login_hint: 'nobody.at.all' };
  for (let turn = 0; turn < 5; turn += 1) await askCiba(url, client, nobody);
  assert.equal((await askCiba(url, client, nobody)).status, 429, 'nor does the limit tell');

  for (let turn = 0; turn < 5; turn += 1) await takeLink(world, email);
  const another = await seedCibaClient(world);
  const credentials = { identifier: email, password: people.user.password };
  const agent = createUserAgent(url);
  for (let turn = 0; turn < 7; turn += 1) {
    await startCiba(url, another, { login_hint: email });
    const link = await takeLink(world, email);
    const { page } = await openLink(world, link, { agent, credentials });
    await agent.submit(page, new URL(link).pathname, { decision: 'allow' });
  }
});

test('what is wrong with a request is said by its code (CIBA Core 13)', async () => {
  const client = await seedCibaClient(world);
  const ask = (form: Record<string, string>) => askCiba(url, client, form);
  const errorOf = async (form: Record<string, string>) => (await ask(form)).body.error;
  assert.equal(await errorOf({}), 'invalid_request', 'no hint');
  assert.equal(await errorOf({ ...hint, id_token_hint: 'x.y.z' }), 'invalid_request', 'two hints');
  assert.equal(await errorOf({ id_token_hint: 'x.y.z' }), 'invalid_request');
  assert.equal(await errorOf({ login_hint_token: 'x.y.z' }), 'invalid_request');
  assert.equal(await errorOf({ ...hint, scope: 'profile' }), 'invalid_request', 'no openid');
  assert.equal(await errorOf({ ...hint, requested_expiry: '-1' }), 'invalid_request');
  for (const message of ['x'.repeat(65), 'a\nb', ' ', 'see https://evil.example', 'a\u202Eb']) {
    const error = await errorOf({ ...hint, binding_message: message });
    assert.equal(error, 'invalid_binding_message', JSON.stringify(message));
  }
  const paying = await seedCibaClient(world, {
    metadata: { authorization_details_types: ['payment'] },
  });
  const details = { ...hint, authorization_details: '[{"type":"payment"}]' };
  const undisclosed = await askCiba(url, paying, details);
  assert.equal(undisclosed.body.error, 'invalid_authorization_details');
  const narrow = await seedCibaClient(world, { metadata: { scope: 'openid' } });
  const wide = await askCiba(url, narrow, { ...hint, scope: 'openid email' });
  assert.equal(wide.body.error, 'invalid_scope');
  const wrong = await askCiba(url, { ...client, clientSecret: 'wrong' }, hint);
  assert.equal(wrong.status, 401);
  assert.equal(wrong.body.error, 'invalid_client');
  assert.equal((await askCiba(url, world.client, hint)).body.error, 'invalid_request', 'no grant');
});

test('a client that proves nothing may not have people written to (CIBA Core 7.1)', async () => {
  const metadata = { token_endpoint_auth_method: 'none' };
  const client = await seedCibaClient(world, { metadata });
  const form = { client_id: client.clientId, scope: 'openid', ...hint };
  const { status, body } = await postForm(`${url}/ciba`, form);
  assert.equal(status, 400);
  assert.equal(body.error, 'unauthorized_client');
});

test('a request is its client’s alone, and bounded in life', async () => {
  const client = await seedCibaClient(world);
  const { body } = await askCiba(url, client, { ...hint, requested_expiry: '86400' });
  assert.equal(body.expires_in, 600);
  await takeLink(world);
  const stranger = await seedCibaClient(world);
  const stolen = await pollCiba(url, stranger, String(body.auth_req_id));
  assert.equal(stolen.body.error, 'invalid_grant');
  const missing = await postForm(`${url}/token`, { grant_type: CIBA_GRANT }, basic(client));
  assert.equal(missing.body.error, 'invalid_request');
});

test('a link that is wrong in any way shows the same page, and nothing of ours', async () => {
  for (const token of ['x', 'a'.repeat(43), 'a'.repeat(2_000)]) {
    const { response, html } = await createUserAgent(url).follow(`/approve/${token}`);
    assert.equal(response.status, 404, token);
    assert.match(html, /<h1>/);
  }
  for (const query of ['', '?state=x', '?state=//evil.example', '?error=access_denied']) {
    const { response, url: end } = await createUserAgent(url).follow(`/approve/return${query}`);
    assert.equal(response.status, 404);
    assert.equal(end.origin, url);
  }
});

test('discovery tells what is served: poll and ping, no user code (CIBA Core 4)', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.equal(body.backchannel_authentication_endpoint, `${url}/ciba`);
  assert.deepEqual(body.backchannel_token_delivery_modes_supported, ['poll', 'ping']);
  assert.equal(body.backchannel_user_code_parameter_supported, false);
  assert.ok((body.grant_types_supported as string[]).includes(CIBA_GRANT));
});

test('without a mail server everything else works and CIBA says what is wrong', async () => {
  const bare = await createWorld();
  const client = await seedCibaClient(bare);
  const form = { login_hint: bare.people.user.email };
  const { status, body } = await askCiba(bare.url, client, form);
  assert.equal(status, 503);
  assert.equal(body.error, 'temporarily_unavailable');
  assert.match(await bare.deps.metrics.renderMetrics(), /auth_mail_total\{result="refused"\} 1/);
  await signInForTokens(bare);
});
