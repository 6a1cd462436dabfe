import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import type { CreationOptions } from '../../src/features/webauthn/schema.ts';
import { createAuthenticator } from '../helpers/authenticator.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';
import { enterAccount, isSentToSignIn, type Visitor } from './account-support.ts';
import { CHEAP_HASHES } from './auth-support.ts';
import { addressesIn, TRUSTING } from './sign-in-support.ts';
import { addUser, createWorld, eventsOf } from './support.ts';

/** Pages on which people manage what they sign in with (ASVS 6.5.6, 7.4.3, 7.5.1). */

const clock = createFakeClock();
const world = await createWorld({
  settings: { ...CHEAP_HASHES, ...TRUSTING },
  overrides: { clock },
});
const { url, people, deps } = world;
const { knex } = deps.postgres;
const newAddress = addressesIn('203.0.113');
const SECURITY = '/account/security';

type Page = Visitor['page'];

const newAgent = () => createUserAgent(url, { 'x-forwarded-for': newAddress() });

/** Somebody who is signed in to the account page. */
async function person(name: string, path = SECURITY) {
  const { id, identifier, password } = await addUser(world, name);
  const who = { identifier, password };
  const { agent, page } = await enterAccount(world, path, who, newAgent());
  return { id, tenantId: people.tenantId, who, agent, page };
}

/** As after a sign-in with both factors. */
const proveBoth = (userId: string) =>
  knex.raw(
    `UPDATE sessions SET payload = jsonb_set(payload::jsonb, '{acr}', ?)::json WHERE user_id = ?`,
    [JSON.stringify('urn:gatehouse:acr:2fa'), userId],
  );

const codeOf = (secret: string): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: clock.now() });

const secretIn = ({ html }: Page): string => {
  const secret = /class="secret"><bdi dir="ltr">([A-Z2-7 ]+)</.exec(html)?.[1];
  assert.ok(secret, html);
  return secret.replaceAll(' ', '');
};

const codesIn = ({ html }: Page): string[] =>
  [...html.matchAll(/<code><bdi dir="ltr">([0-9A-Z-]+)</g)].map(([, code = '']) => code);

/** Sets an app up, up to the page that follows its code. */
async function addApp(agent: UserAgent, name: string): Promise<Page> {
  const begun = await agent.submit(await agent.follow(`${SECURITY}/apps/new`), '/apps/new', {
    name,
  });
  assert.match(begun.url.pathname, /\/apps\/[0-9a-f-]{36}$/);
  return agent.submit(begun, begun.url.pathname, { code: codeOf(secretIn(begun)) });
}

const statusOf = async (agent: UserAgent, path: string): Promise<number> =>
  (await agent.fetch(path)).status;

/** Sends a form without what its page puts there. */
const postBare = (agent: UserAgent, path: string, fields: Record<string, string> = {}) =>
  agent.fetch(path, {
    method: 'POST',
    headers: { accept: 'text/html' },
    body: new URLSearchParams(fields),
  });

test('an app is set up by its first code, and recovery codes come with it, once', async () => {
  const { id, tenantId, agent, page } = await person('first');
  assert.match(page.html, /Two-step sign-in is off/);
  assert.match(page.html, /No passkeys yet/);
  const begun = await agent.submit(await agent.follow(`${SECURITY}/apps/new`), '/apps/new', {
    name: 'Work phone',
  });
  assert.match(begun.html, /<svg viewBox="0 0 \d+ \d+" role="img" aria-label="[^"]+"/);
  assert.match(begun.html, /href="otpauth:\/\/totp\//);
  const wrong = await agent.submit(begun, begun.url.pathname, { code: '000000' });
  assert.equal(wrong.response.status, 400);
  assert.match(wrong.html, /aria-invalid="true"/);
  assert.equal(secretIn(wrong), secretIn(begun), 'the same seed, for the code that comes next');
  const shown = await agent.submit(wrong, begun.url.pathname, { code: codeOf(secretIn(begun)) });
  assert.equal(codesIn(shown).length, 10);
  assert.equal(shown.response.headers.get('cache-control'), 'no-store');
  assert.ok(!shown.html.includes('hreflang'), 'no link that would lose them');

  // As a file, which the browser's own fields are made into.
  const form = findForm(shown, '/recovery-codes/file');
  const file = await agent.fetch(form.action, {
    method: 'POST',
    body: new URLSearchParams(form.fields),
  });
  assert.match(
    file.headers.get('content-disposition') ?? '',
    /^attachment; filename="[\w-]+\.txt"/,
  );
  assert.match(file.headers.get('content-type') ?? '', /^text\/plain/);
  const lines = (await file.text()).split('\r\n');
  for (const code of codesIn(shown)) assert.ok(lines.includes(code));
  const odd = { ...form.fields, codes: '<script>alert(1)</script>' };
  const refused = await postBare(agent, form.action.pathname, odd);
  assert.equal(refused.status, 400, 'nothing but codes becomes a file');

  const again = await agent.fetch(begun.url, {
    method: 'POST',
    body: new URLSearchParams(findForm(begun, begun.url.pathname).fields),
  });
  assert.ok(isSentToSignIn(again), 'from now on the second factor is asked for (ASVS 7.5.1)');
  await proveBoth(id);
  const resent = await agent.submit(begun, begun.url.pathname, { code: '123456' });
  assert.equal(resent.url.pathname, SECURITY, 'sent twice it does nothing more');
  assert.match(resent.html, /Work phone/);
  assert.match(resent.html, /10 codes left/);
  assert.equal((await deps.authenticators.list({ id, tenantId })).length, 1);
});

test('a passkey is made with the script, of this session only, and listed with what is known of it', async () => {
  const { id, agent } = await person('keyed');
  const page = await agent.follow(`${SECURITY}/passkeys/new`);
  assert.match(
    page.response.headers.get('content-security-policy') ?? '',
    /script-src 'self'; connect-src 'self'/,
  );
  const form = findForm(page, '/passkeys/new');
  const ask = async () => {
    const body = new URLSearchParams(form.fields);
    const answer = await agent.fetch(`${SECURITY}/passkeys/options`, { method: 'POST', body });
    assert.equal(answer.status, 200);
    return (await answer.json()) as CreationOptions;
  };
  const authenticator = createAuthenticator({
    origin: url,
    isSyncedType: true,
    isBackedUp: true,
  });
  const options = await ask();
  assert.equal(options.user.name, 'keyed@lotus.example');
  const other = await person('other-session');
  const stolen = await other.agent.submit(
    await other.agent.follow(`${SECURITY}/passkeys/new`),
    '/passkeys/new',
    { response: JSON.stringify(authenticator.create(options)) },
  );
  assert.equal(stolen.response.status, 400, 'of another session it is none (ASVS 6.7.2)');
  const response = JSON.stringify(authenticator.create(await ask()));
  const shown = await agent.submit(page, '/passkeys/new', { name: 'My laptop', response });
  assert.equal(codesIn(shown).length, 10);
  const again = await postBare(agent, `${SECURITY}/passkeys/new`, { ...form.fields, response });
  assert.ok(isSentToSignIn(again), 'the second factor is asked for now');
  await proveBoth(id);
  for (const text of [response, '', 'no JSON', '{}']) {
    const refused = await agent.submit(page, '/passkeys/new', { response: text });
    assert.equal(refused.response.status, 400, text);
  }
  const { html } = await agent.follow(SECURITY);
  assert.match(html, /My laptop/);
  assert.match(html, /Synced/);
  assert.match(html, /You have one way to sign in with two steps/);
});

test('factors are renamed and removed after a question; recovery codes go with the last', async () => {
  const { id, tenantId, agent } = await person('changer');
  await addApp(agent, 'Old name');
  await proveBoth(id);
  const [app] = await deps.authenticators.list({ id, tenantId });
  const base = `${SECURITY}/factors/${app?.id}`;
  const rename = await agent.follow(`${base}/rename`);
  const empty = await agent.submit(rename, '/rename', { name: '   ' });
  assert.equal(empty.response.status, 400);
  const renamed = await agent.submit(rename, '/rename', { name: 'Điện thoại <mới>' });
  assert.match(renamed.html, /Điện thoại &lt;mới&gt;/);
  assert.match(renamed.html, /The name is changed/);

  await deps.tenants.updateSettings(tenantId, { mfaRequired: true });
  const needed = await agent.follow(`${base}/remove`);
  assert.match(needed.html, /asks for two steps/);
  assert.ok(!needed.html.includes(`action="${base}/remove"`));
  await deps.tenants.updateSettings(tenantId, { mfaRequired: false });
  const question = await agent.follow(`${base}/remove`);
  assert.match(question.html, /your only second step/);
  assert.equal(
    (await deps.authenticators.list({ id, tenantId })).length,
    1,
    'asking changes nothing',
  );
  await deps.tenants.updateSettings(tenantId, { mfaRequired: true });
  const refused = await agent.submit(question, '/remove', {});
  assert.equal(refused.response.status, 409, 'whatever the page said when it was asked for');
  await deps.tenants.updateSettings(tenantId, { mfaRequired: false });
  const removed = await agent.submit(question, '/remove', {});
  assert.match(removed.html, /It is removed/);
  assert.match(removed.html, /Two-step sign-in is off/);
  assert.equal(await deps.recoveryCodes.status({ id, tenantId }), null);
  const types = (await eventsOf(deps)).filter(({ subject }) => subject === id);
  assert.equal(types.at(-1)?.type, 'identity.user.mfa_removed.v1');
});

test('new recovery codes end those before; without a factor there are none', async () => {
  const { id, tenantId, agent } = await person('coder');
  const none = await agent.follow(`${SECURITY}/recovery-codes`);
  assert.match(none.html, /Add a passkey or an app first/);
  const token = findForm(none, '/sign-out').fields.csrf ?? '';
  await postBare(agent, `${SECURITY}/recovery-codes`, { csrf: token });
  assert.equal(await deps.recoveryCodes.status({ id, tenantId }), null);

  const first = codesIn(await addApp(agent, 'App'));
  await proveBoth(id);
  const page = await agent.follow(`${SECURITY}/recovery-codes`);
  const second = codesIn(await agent.submit(page, '/recovery-codes', {}));
  assert.equal(second.length, 10);
  assert.equal(await deps.recoveryCodes.verify({ id, tenantId }, first[0] ?? ''), false);
  for (const code of second.slice(0, 8)) {
    assert.ok(await deps.recoveryCodes.verify({ id, tenantId }, code));
  }
  assert.match((await agent.follow(SECURITY)).html, /Only 2 recovery codes are left/);
});

test('after a change of factors signing out all others is offered (ASVS 7.4.3)', async () => {
  const { id, who, agent } = await person('worried');
  await addApp(agent, 'App');
  await proveBoth(id);
  await knex('sessions').where({ user_id: id }).update({ user_agent: null });
  const removal = await deps.authenticators.list({ id, tenantId: people.tenantId });
  // Before it, another browser signed in: without a factor, so that it needs none.
  await deps.authenticators.remove({ id, tenantId: people.tenantId }, removal[0]?.id ?? '');
  const elsewhere = await enterAccount(world, '/account', who, newAgent());
  const shown = await addApp(agent, 'Another');
  assert.match(shown.html, /href="\/account\/sessions\/others"/);
  const offer = await agent.follow('/account/sessions/others');
  assert.match(offer.html, /signed in on 1 other device/);
  const done = await agent.submit(offer, '/others', {});
  assert.match(done.html, /1 other device is signed out/);
  assert.ok(isSentToSignIn(await elsewhere.agent.fetch('/account')));
  assert.equal(await statusOf(agent, '/account/sessions'), 200, 'this one goes on');
});

test('what is not one’s own is not there, and a form of elsewhere does nothing (ASVS 3.5.1, 8.2.2)', async () => {
  const victim = await person('victim');
  const owner = { id: victim.id, tenantId: people.tenantId };
  await addApp(victim.agent, 'Theirs');
  const [theirs] = await deps.authenticators.list(owner);
  const [session] = await deps.sessions.list(people.tenantId, victim.id);
  const { agent, page } = await person('curious');
  const { csrf = '' } = findForm(page, '/sign-out').fields;
  const pending = await deps.totp.enroll(
    { ...owner, label: 'x' },
    { name: 'Pending', issuerName: 'x' },
  );
  for (const path of [
    `${SECURITY}/factors/${theirs?.id}/rename`,
    `${SECURITY}/factors/${theirs?.id}/remove`,
    `${SECURITY}/factors/nonsense/remove`,
    `${SECURITY}/apps/${pending.id}`,
    `/account/sessions/${session?.id}`,
    '/account/sessions/nonsense',
    '/account/applications/nonsense',
  ]) {
    assert.equal(await statusOf(agent, path), 404, path);
    const answer = await postBare(agent, path, {
      csrf,
      name: 'Mine',
      code: codeOf(pending.secret),
    });
    const isRefused = answer.status === 404 || answer.headers.get('location') === SECURITY;
    assert.ok(isRefused, `${path}: ${answer.status}`);
  }
  await proveBoth(victim.id);
  for (const path of [
    `${SECURITY}/factors/${theirs?.id}/remove`,
    `${SECURITY}/recovery-codes`,
    `${SECURITY}/recovery-codes/file`,
    `${SECURITY}/passkeys/options`,
    '/account/sessions/others',
    `/account/sessions/${session?.id}`,
  ]) {
    for (const fields of [{}, { csrf }, { csrf: 'x' }] as Record<string, string>[]) {
      assert.equal((await postBare(victim.agent, path, fields)).status, 403, path);
    }
  }
  assert.equal((await deps.authenticators.list(owner))[0]?.name, 'Theirs');
  assert.equal((await deps.sessions.list(people.tenantId, victim.id)).length, 1);
});

test('changes ask for a fresh sign-in; looking does not (ASVS 7.5.1, GHSA-xg6x-h9c9-2m83)', async () => {
  const { id, tenantId, agent } = await person('sitting');
  const page = await agent.follow(`${SECURITY}/apps/new`);
  clock.advance(16 * 60_000);
  for (const path of [
    `${SECURITY}/apps/new`,
    `${SECURITY}/apps/${id}`,
    `${SECURITY}/passkeys/new`,
    `${SECURITY}/recovery-codes`,
    `${SECURITY}/factors/${id}/rename`,
    `${SECURITY}/factors/${id}/remove`,
    '/account/sessions/others',
    `/account/sessions/${id}`,
  ]) {
    assert.ok(isSentToSignIn(await agent.fetch(path)), path);
    const { csrf = '' } = findForm(page, '/apps/new').fields;
    assert.ok(isSentToSignIn(await postBare(agent, path, { csrf, name: 'x' })), path);
  }
  const { csrf = '' } = findForm(page, '/apps/new').fields;
  const options = await postBare(agent, `${SECURITY}/passkeys/options`, { csrf });
  assert.ok(isSentToSignIn(options));
  for (const path of [
    SECURITY,
    '/account/sessions',
    '/account/applications',
    '/account/activity',
  ]) {
    assert.equal(await statusOf(agent, path), 200, path);
  }
  assert.deepEqual(await deps.authenticators.list({ id, tenantId }), []);
});

test('nothing in this file was an error of ours', () => {
  assert.deepEqual(
    world.logs.filter(({ level }) => level === 'error'),
    [],
  );
});
