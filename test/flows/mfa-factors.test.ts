import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { mfaEvents } from '../../src/features/mfa/index.ts';
import type { EventType } from '../../src/kernel/events.ts';
import { addApp, showCode } from '../features/authenticators/support.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { callApi } from './auth-support.ts';
import { assertProblem, createProofWorld, HOUR, MINUTE, post, SECOND } from './proof-support.ts';
import { addUser, basic, becomesTrue, eventsOf, postForm, signInForTokens } from './support.ts';

/** One's own second factors by the API, the notices of changes, and their reset by others. */

const world = await createProofWorld();
const { deps, url, people, clock, mailbox } = world;
const { knex } = deps.postgres;
const { tenantId } = people;
const STEP = 30_000;

const { email } = people.user;
const own = { id: people.user.id, tenantId };
/** A first-party token; made before there is any factor. */
let token = (await signInForTokens(world)).accessToken;

/** Signs in by password and app: what has both factors may change them. */
async function signInWithBoth(secret: string): Promise<string> {
  clock.advance(STEP);
  const { password } = people.user;
  const first = await post(world, '/auth/login', { identifier: email, password });
  assertProblem(first, 401, 'IDENT_MFA_REQUIRED');
  const code = showCode(secret, clock.now());
  const answer = { challengeId: first.body.challengeId, method: 'totp', code };
  const second = await post(world, '/auth/mfa/verify', answer);
  assert.equal(second.status, 200, JSON.stringify(second.body));
  return String(second.body.accessToken);
}

const get = (path: string, as = token) => callApi(url, 'GET', path, { token: as });
const remove = (id: string, as = token) => callApi(url, 'DELETE', `/me/mfa/${id}`, { token: as });
const factors = async () => (await get('/me/mfa')).body;

/** The next mail about second factors, which says this. */
async function noticeOf(what: RegExp): Promise<string> {
  await deps.outbox.drain();
  const { text, subject } = await mailbox.take(email);
  assert.match(text, what, subject);
  assert.match(text, /When: /);
  return text;
}

const SOME_ID = crypto.randomUUID();
/** Requests that change what opens an account. */
const CHANGES = [
  ['POST', '/me/mfa/totp/enroll', {}],
  ['POST', '/me/mfa/totp/confirm', { id: SOME_ID, code: '000000' }],
  ['POST', '/me/mfa/recovery-codes', undefined],
  ['DELETE', `/me/mfa/${SOME_ID}`, undefined],
] as const;

let app = { id: '', secret: '' };
let codes: string[] = [];

test('an app is set up by its URI or QR code and its first code; ten recovery codes come with the first', async () => {
  assert.deepEqual(await factors(), { authenticators: [], recoveryCodes: null, required: false });
  const begun = await post(world, '/me/mfa/totp/enroll', { name: ' Điện thoại ' }, token);
  assert.equal(begun.status, 200, JSON.stringify(begun.body));
  const { id, uri, secret, qr } = begun.body as Record<string, string>;
  assert.ok(id && uri && secret && qr);
  assert.equal(begun.headers.get('cache-control'), 'no-store');
  assert.match(
    uri,
    /^otpauth:\/\/totp\/Lotus%20Health:an%40lotus\.example\?secret=[A-Z2-7]{32}&issuer=Lotus%20Health$/,
  );
  assert.match(qr, /^<svg /);
  assert.deepEqual(await factors(), { authenticators: [], recoveryCodes: null, required: false });

  const wrong = { id, code: showCode(secret, clock.now() + 10 * STEP) };
  assertProblem(await post(world, '/me/mfa/totp/confirm', wrong, token), 400, 'IDENT_VALIDATION');
  const proof = { id, code: showCode(secret, clock.now()) };
  const done = await post(world, '/me/mfa/totp/confirm', proof, token);
  assert.equal(done.status, 200);
  const { authenticator, recoveryCodes } = done.body as Record<string, Record<string, unknown>>;
  assert.deepEqual(authenticator, {
    ...{ id, type: 'totp', name: 'Điện thoại', lastUsedAt: null },
    createdAt: new Date(clock.now()).toISOString(),
  });
  codes = recoveryCodes as unknown as string[];
  assert.equal(codes.length, 10);
  app = { id, secret };
  const text = await noticeOf(/An authenticator app was added to your Lotus Health account/);
  assert.ok(text.includes(`/forgot-password?tenant=${tenantId}`));
  for (const hidden of [secret, ...codes]) assert.ok(!text.includes(hidden));
  const listed = (await factors()).recoveryCodes as { left: number };
  assert.equal(listed.left, 10);
});

test('whoever has a factor shows it before changing any (RFC 9470)', async () => {
  const alone = await post(world, '/me/mfa/totp/enroll', {}, token);
  assert.equal(alone.status, 401);
  const demand = alone.headers.get('www-authenticate') ?? '';
  assert.match(
    demand,
    /error="insufficient_user_authentication", acr_values="urn:gatehouse:acr:2fa/,
  );
  token = await signInWithBoth(app.secret);
  const proof = { id: app.id, code: showCode(app.secret, clock.now()) };
  const again = await post(world, '/me/mfa/totp/confirm', proof, token);
  assertProblem(again, 422, 'IDENT_TOKEN_SPENT');
});

test('a second app brings no codes; names change; what is not yours is 404 (IDOR)', async () => {
  const begun = await post(world, '/me/mfa/totp/enroll', {}, token);
  const { id = '', secret = '' } = begun.body as Record<string, string>;
  const code = showCode(secret, clock.now());
  const done = await post(world, '/me/mfa/totp/confirm', { id, code }, token);
  assert.equal(done.body.recoveryCodes, undefined);
  await noticeOf(/An authenticator app was added/);
  const patch = (name: string, which = id, as = token) =>
    callApi(url, 'PATCH', `/me/mfa/${which}`, { token: as, body: { name } });
  assert.equal((await patch('Máy tính bảng')).body.name, 'Máy tính bảng');
  const [renamed] = await eventsOf(deps, 'identity.user.mfa_renamed.v1');
  assert.deepEqual(renamed?.data, { userId: own.id, authenticatorId: id, type: 'totp' });
  for (const name of ['', ' ', 'a\nb', 'x'.repeat(65)]) {
    assertProblem(await patch(name), 400, 'IDENT_VALIDATION');
  }
  const stranger = await addUser(world, 'stranger');
  const credentials = { identifier: stranger.identifier, password: stranger.password };
  const { accessToken: theirs } = await signInForTokens(world, { credentials });
  assertProblem(await patch('mine', id, theirs), 404, 'IDENT_NOT_FOUND');
  assertProblem(await remove(id, theirs), 404, 'IDENT_NOT_FOUND');
  const secretly = await post(world, '/me/mfa/totp/enroll', {}, token);
  const pending = secretly.body as Record<string, string>;
  const proof = { id: pending.id, code: showCode(String(pending.secret), clock.now()) };
  const stolen = await post(world, '/me/mfa/totp/confirm', proof, theirs);
  assertProblem(stolen, 422, 'IDENT_TOKEN_SPENT');
  assertProblem(await remove(crypto.randomUUID()), 404, 'IDENT_NOT_FOUND');
  assert.equal((await remove(id)).status, 204);
  await noticeOf(/An authenticator app was removed/);
  assert.deepEqual(
    ((await factors()).authenticators as { id: string }[]).map((one) => one.id),
    [app.id],
  );
});

test('a copy of one’s data names authenticators, and has none of their secrets (GDPR 15)', async () => {
  const copy = await get('/me/export');
  assert.equal(copy.status, 200);
  const { authenticators, recoveryCodes } = copy.body as Record<string, Record<string, unknown>[]>;
  assert.deepEqual(authenticators, [
    {
      ...{ type: 'totp', name: 'Điện thoại' },
      createdAt: new Date(clock.now() - STEP).toISOString(),
      lastUsedAt: new Date(clock.now()).toISOString(),
    },
  ]);
  assert.equal((recoveryCodes as unknown as { left: number }).left, 10);
  const text = JSON.stringify(copy.body);
  for (const hidden of [app.secret, ...codes]) assert.ok(!text.includes(hidden));
});

test('an application that somebody is signed in to reaches none of it', async () => {
  const application = await seedClient(deps, tenantId, { isFirstParty: false });
  const configuration = await discover(url, application);
  const request = await authorizationRequest(configuration, application.redirectUri);
  const visitor = await addUser(world, 'visitor');
  const { identifier, password } = visitor;
  const { agent } = await signInForTokens(world, { credentials: { identifier, password } });
  const page = await agent.follow(request.url);
  const { url: redirect } = await agent.submit(page, '/consent', { decision: 'allow' });
  const { access_token: theirs } = await exchange(configuration, request, redirect);
  for (const [method, path, body] of [
    ['GET', '/me/mfa', undefined],
    ['PATCH', `/me/mfa/${app.id}`, { name: 'x' }],
    ...CHANGES,
  ] as const) {
    const answer = await callApi(url, method, path, { token: theirs, body });
    assertProblem(answer, 403, 'IDENT_FORBIDDEN');
  }
});

test('new recovery codes end those before; using one is told, with how many are left', async () => {
  const [first = ''] = codes;
  assert.equal(await deps.recoveryCodes.verify(own, first), true);
  await noticeOf(/A recovery code was used to sign in[\s\S]*9 are left/);
  const made = await callApi(url, 'POST', '/me/mfa/recovery-codes', { token });
  assert.equal(made.status, 200);
  const fresh = made.body.codes as string[];
  assert.equal(fresh.length, 10);
  await noticeOf(/New recovery codes were made/);
  assert.equal(await deps.recoveryCodes.verify(own, codes[1] ?? ''), false);
  assert.equal(await deps.recoveryCodes.verify(own, fresh[0] ?? ''), true);
  await noticeOf(/9 are left/);
});

test('where the tenant insists the last authenticator stays; else the codes go with it (ASVS 6.3.3)', async () => {
  await deps.tenants.updateSettings(tenantId, { mfaRequired: true, mfaGraceDays: 90 });
  try {
    assert.equal((await factors()).required, true);
    assertProblem(await remove(app.id), 422, 'IDENT_INVALID_TRANSITION');
    const other = await addApp({ deps, clock }, own, 'Tablet');
    await noticeOf(/was added/);
    // Both at once: one of them is the last.
    const answers = await Promise.all([remove(app.id), remove(other.id)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 422]);
    await noticeOf(/was removed/);
  } finally {
    await deps.tenants.updateSettings(tenantId, { mfaRequired: false, mfaGraceDays: 0 });
  }
  const { authenticators, recoveryCodes } = await factors();
  assert.equal((recoveryCodes as { left: number }).left, 9);
  const [last] = authenticators as { id: string }[];
  assert.equal((await remove(last?.id ?? '')).status, 204);
  await noticeOf(/was removed/);
  assert.deepEqual(await factors(), { authenticators: [], recoveryCodes: null, required: false });
  const useless = await callApi(url, 'POST', '/me/mfa/recovery-codes', { token });
  assertProblem(useless, 422, 'IDENT_INVALID_TRANSITION');
  assert.equal((await knex('recovery_codes').where({ user_id: own.id })).length, 0);
});

test('a change may sign out whoever else is signed in, never who makes it (ASVS 7.4.3)', async () => {
  const other = await signInForTokens(world);
  const { body } = await post(world, '/me/mfa/totp/enroll', {}, token);
  const { id = '', secret = '' } = body as Record<string, string>;
  const proof = { id, code: showCode(secret, clock.now()), endOtherSessions: true };
  assert.equal((await post(world, '/me/mfa/totp/confirm', proof, token)).status, 200);
  assert.equal((await get('/me', other.accessToken)).status, 401);
  assert.equal((await get('/me')).status, 200);
  await noticeOf(/was added/);
  app = { id, secret };
});

async function serviceToken(tenant: string, scope: string): Promise<string> {
  const client = await seedClient(deps, tenant, { metadata: { scope } });
  const form = { grant_type: 'client_credentials', scope };
  const { status, body } = await postForm(`${url}/token`, form, basic(client));
  assert.equal(status, 200);
  return String(body.access_token);
}

const WRITE = 'tenant:users:write';
const reset = (userId: string, as: string) =>
  callApi(url, 'POST', `/users/${userId}/reset-mfa`, { token: as });

test('an administrator of the tenant takes all factors away; every session ends and the person is told (ASVS 6.4.4)', async () => {
  const user = await addUser(world, 'lost');
  await knex('users')
    .where({ id: user.id })
    .update({ email_verified_at: new Date(clock.now()) });
  const owner = { id: user.id, tenantId };
  const credentials = { identifier: user.identifier, password: user.password };
  const { accessToken: theirs } = await signInForTokens(world, { credentials });
  await addApp({ deps, clock }, owner);
  await deps.totp.enroll({ ...owner, label: 'x' }, { name: 'x', issuerName: 'x' });
  const [code = ''] = await deps.recoveryCodes.generateFirst(owner);
  await deps.outbox.drain();
  assert.match((await mailbox.take(user.identifier)).text, /was added/);
  const remembered = { second_factor_until: new Date(clock.now() + MINUTE) };
  await knex('known_browsers').where({ user_id: user.id }).update(remembered);

  const operator = await serviceToken(tenantId, WRITE);
  assert.equal((await reset(user.id, operator)).status, 204);
  assert.equal((await get('/me', theirs)).status, 401);
  assert.equal((await knex('totp_authenticators').where({ user_id: user.id })).length, 0);
  assert.equal(await deps.recoveryCodes.verify(owner, code), false);
  const browsers = await knex('known_browsers').where({ user_id: user.id });
  assert.deepEqual(
    browsers.map((one) => one.second_factor_until),
    browsers.map(() => null),
  );
  assert.ok(browsers.length > 0);
  await deps.outbox.drain();
  const { text } = await mailbox.take(user.identifier);
  assert.match(text, /An administrator took all second factors/);
  assert.match(text, /set up a second factor anew:\s+http:\/\/localhost:\d+\/account\s/);

  // From then on the password alone is enough, where the tenant asks for no more.
  clock.advance(SECOND);
  const again = await post(world, '/auth/login', credentials);
  assert.equal(again.status, 200);

  const [event] = await eventsOf(deps, 'identity.user.mfa_reset.v1');
  assert.deepEqual(event?.data, { userId: user.id, removed: 1 });
  const removed = (await eventsOf(deps, 'identity.user.mfa_removed.v1')).at(-1);
  assert.equal(removed?.data.by, 'administrator');
  const isAudited = async () =>
    (await knex('audit_log').where({ type: 'identity.user.mfa_reset.v1', tenant_id: tenantId }))
      .length === 1;
  assert.ok(await becomesTrue(isAudited));
});

test('nobody else resets: not people, not with less, not for another tenant', async () => {
  await addApp({ deps, clock }, own, 'Spare');
  await noticeOf(/was added/);
  assert.equal((await reset(own.id, token)).status, 403, 'no person, whoever they are');
  const reader = await serviceToken(tenantId, 'tenant:users:read');
  assert.equal((await reset(own.id, reader)).status, 403);
  const orchid = await deps.tenants.create({ slug: 'orchid', name: 'Orchid' });
  const foreign = await serviceToken(orchid.id, WRITE);
  assertProblem(await reset(own.id, foreign), 403, 'IDENT_CROSS_TENANT');
  const operator = await serviceToken(tenantId, WRITE);
  assertProblem(await reset(crypto.randomUUID(), operator), 404, 'IDENT_NOT_FOUND');
  assert.ok((await deps.authenticators.list(own)).length > 0);
});

test('every other change of a second factor is told too; failures at it once in a day (ASVS 6.3.5, 6.3.7)', async () => {
  const facts = { subject: own.id, tenantId };
  const passkey = { userId: own.id, authenticatorId: SOME_ID, type: 'webauthn' as const };
  const { enrolled, removed, challengeFailed } = mfaEvents;
  const failed = { userId: own.id, clientId: null, method: 'totp' as const };
  const happen = <S extends z.ZodObject>(event: EventType<S>, data: z.input<S>) =>
    knex.transaction((trx) => deps.emit(trx, event, facts, data));

  await happen(enrolled, passkey);
  await noticeOf(/A passkey was added/);
  await happen(removed, { ...passkey, by: 'user' });
  await noticeOf(/A passkey was removed/);
  await happen(removed, { ...passkey, by: 'system' });
  await noticeOf(/may have been copied/);
  await happen(challengeFailed, failed);
  await noticeOf(/failed at the second too often/);
  // Nobody can fill the mailbox of a person whose password they have.
  await happen(challengeFailed, failed);
  await happen(enrolled, passkey);
  await noticeOf(/A passkey was added/);
  clock.advance(24 * HOUR + SECOND);
  await happen(challengeFailed, failed);
  await noticeOf(/failed at the second too often/);
});

test('nobody is told at an address that is not proved to be theirs', async () => {
  const unproved = await addUser(world, 'unproved');
  await addApp({ deps, clock }, { id: unproved.id, tenantId });
  await addApp({ deps, clock }, own, 'Another');
  await noticeOf(/was added/);
  const told = mailbox.mails.filter(({ to }) => to.includes(unproved.identifier));
  assert.ok(!told.some(({ text }) => /authenticator app/.test(text)));
});

test('changes ask for a recent sign-in (ASVS 7.5.1, RFC 9470)', async () => {
  clock.advance(15 * MINUTE + 1_000);
  for (const [method, path, body] of CHANGES) {
    const answer = await callApi(url, method, path, { token, body });
    assert.equal(answer.status, 401, path);
    const challenge = answer.headers.get('www-authenticate') ?? '';
    assert.match(challenge, /error="insufficient_user_authentication"/);
  }
});
