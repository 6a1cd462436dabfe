import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findForm } from '../helpers/user-agent.ts';
import { enterAccount, isSentToSignIn, type Visitor } from './account-support.ts';
import { CHEAP_HASHES } from './auth-support.ts';
import { codeIn, createProofWorld, wrongCode } from './proof-support.ts';
import { eventsOf } from './support.ts';

const world = await createProofWorld(CHEAP_HASHES);
const { deps, url, mailbox, clock } = world;
const { tenantId } = world.people;
await deps.tenants.updateSettings(tenantId, {
  userAttributes: {
    type: 'object',
    properties: {
      badge: { type: 'string', title: 'Badge number', minLength: 2, maxLength: 8 },
      floor: { type: 'integer', title: 'Floor', minimum: 0, maximum: 9 },
      shift: { type: 'string', title: 'Shift', enum: ['day', 'night'] },
      trained: { type: 'boolean', title: 'Trained' },
      ward: { type: 'string', title: 'Ward', readOnly: true },
      tags: { type: 'array', title: 'Tags', items: { type: 'string' } },
    },
    required: ['badge'],
  },
});

const statusOf = (status: string) => new RegExp(`role="status">[\\s\\S]*${status}`);

async function addPerson(name: string) {
  const [identifier, password] = [`${name}@lotus.example`, 'another fine password'];
  const attributes = { badge: 'A-0' };
  const person = { tenantId, email: identifier, username: name, emailVerified: true, attributes };
  const { id } = await deps.users.create(person, password);
  return { id, identifier, password };
}

/** A person of their own for each test, on a page of the account page. */
async function visit(name: string, path: string) {
  const person = await addPerson(name);
  const { identifier, password } = person;
  return { person, ...(await enterAccount(world, path, { identifier, password })) };
}

const read = async (id: string) => {
  const account = await deps.users.findAccount(id);
  assert.ok(account);
  return account.user;
};

/** Makes the sign-in of a person this many seconds old; the engine has a clock of its own. */
const ageSignIn = (userId: string, seconds: number) =>
  deps.postgres
    .knex('sessions')
    .where({ user_id: userId })
    .update({
      payload: deps.postgres.knex.raw(
        `(payload::jsonb || jsonb_build_object('loginTs', ?::bigint))::json`,
        [Math.floor(clock.now() / 1_000) - seconds],
      ),
    });

/** Posts to a page what its own form would, but for the token. */
const forge = ({ agent }: Pick<Visitor, 'agent'>, path: string, fields: Record<string, string>) =>
  agent.fetch(path, { method: 'POST', body: new URLSearchParams(fields) });

test('a profile is changed by the rules of the API, and the language of the page with it', async () => {
  const { agent, page, person } = await visit('profile', '/account/profile');
  assert.doesNotMatch(page.html, /Ward|Tags/, 'nothing to show of these');
  const fields = {
    ...{ name: 'Trần Bình', givenName: 'Bình', familyName: '', locale: 'vi' },
    ...{ zoneinfo: 'Asia/Ho_Chi_Minh', 'attribute-badge': 'A-17', 'attribute-floor': '4' },
    ...{ 'attribute-shift': 'night', 'attribute-trained': 'true' },
  };
  const saved = await agent.submit(page, '/account/profile', fields);
  assert.match(saved.html, /<html lang="vi"/);
  assert.match(saved.html, statusOf('Đã lưu thay đổi của bạn.'));
  const user = await read(person.id);
  assert.deepEqual(
    [user.name, user.givenName, user.familyName, user.locale, user.zoneinfo, user.attributes],
    [
      ...['Trần Bình', 'Bình', null, 'vi', 'Asia/Ho_Chi_Minh'],
      { badge: 'A-17', floor: 4, shift: 'night', trained: true },
    ],
  );
  assert.doesNotMatch((await agent.follow('/account/profile')).html, /role="status"/, 'said once');
  const emptied = await agent.submit(saved, '/account/profile', {
    ...fields,
    ...{ locale: 'en', 'attribute-floor': '', 'attribute-shift': '', 'attribute-trained': 'no' },
  });
  assert.match(emptied.html, /<html lang="en"/);
  assert.deepEqual((await read(person.id)).attributes, { badge: 'A-17', trained: false });
});

test('what the schema of the tenant refuses is said at its field, and nothing is changed', async () => {
  const { agent, page, person } = await visit('refused', '/account/profile');
  const before = await read(person.id);
  const wrong = await agent.submit(page, '/account/profile', {
    ...{ name: 'x'.repeat(201), zoneinfo: 'Mars/Olympus', locale: 'en', givenName: '' },
    ...{ familyName: '', 'attribute-badge': '', 'attribute-floor': 'ten' },
  });
  assert.equal(wrong.response.status, 400);
  assert.match(wrong.html, /<title>Error: Profile/);
  assert.match(wrong.html, /id="name-error"/);
  const attributes = await agent.submit(page, '/account/profile', {
    ...{ name: 'Fine', zoneinfo: '', locale: 'en', givenName: '', familyName: '' },
    ...{ 'attribute-badge': '', 'attribute-floor': '99', 'attribute-shift': 'noon' },
  });
  assert.equal(attributes.response.status, 400);
  for (const name of ['badge', 'floor', 'shift']) {
    assert.match(attributes.html, new RegExp(`id="attribute-${name}-error"`));
  }
  assert.match(attributes.html, /value="99"/, 'what was typed is still there');
  const readOnly = await agent.submit(page, '/account/profile', {
    ...{ name: 'Fine', locale: 'en', 'attribute-badge': 'B-1', 'attribute-ward': 'mine' },
  });
  assert.equal(readOnly.response.status, 200);
  assert.deepEqual((await read(person.id)).attributes, { badge: 'B-1' }, 'ASVS 8.2.3');
  assert.equal(before.name, null);
});

test('of two windows the second does not undo what the first has changed', async () => {
  const { agent, page, person } = await visit('windows', '/account/profile');
  const fields = { locale: 'en', 'attribute-badge': 'A-1' };
  await agent.submit(page, '/account/profile', { ...fields, name: 'First' });
  const late = await agent.submit(page, '/account/profile', { ...fields, name: 'Second' });
  assert.equal(late.response.status, 412);
  assert.match(late.html, /value="First"/);
  assert.equal((await read(person.id)).name, 'First');
});

test('no form counts without the token of its own session (ASVS 3.5.1: CSRF)', async () => {
  const { agent, person } = await visit('csrf', '/account/profile');
  const other = await visit('csrf-other', '/account/profile');
  const { fields: foreign } = findForm(other.page, '/account/profile');
  const forms: [string, Record<string, string>][] = [
    ['/account/profile', { name: 'Forged', locale: 'en', 'attribute-badge': 'X-1' }],
    ['/account/contact/email', { address: 'evil@evil.example' }],
    ['/account/password', { current: person.password, password: 'a wholly new passphrase' }],
    ['/account/password/mail', {}],
    ['/account/data/delete', { word: person.identifier }],
    ['/account/sign-out', {}],
  ];
  for (const [path, fields] of forms) {
    for (const csrf of ['', 'x', foreign.csrf ?? '']) {
      const { version = '1' } = foreign;
      const answer = await forge({ agent }, path, { ...fields, version, csrf });
      assert.equal(answer.status, 403, `${path} ${csrf}`);
    }
  }
  const user = await read(person.id);
  assert.deepEqual([user.name, user.email, user.status], [null, person.identifier, 'active']);
  assert.equal((await agent.fetch('/account')).status, 200, 'still signed in');
});

test('another e-mail address takes the place of the old one once its code was typed; that one is told', async () => {
  const { agent, page, person } = await visit('mail', '/account/contact/email');
  const address = 'new-mail@lotus.example';
  const same = await agent.submit(page, '/contact/email', { address: person.identifier });
  assert.equal(same.response.status, 400);
  const none = await agent.submit(page, '/contact/email', { address: 'no address' });
  assert.match(none.html, /id="address-error"/);
  const code = await agent.submit(page, '/contact/email', { address });
  assert.equal(code.url.pathname, '/account/contact/email/code');
  assert.match(code.html, /new-mail@lotus\.example/);
  const sent = codeIn(await mailbox.take(address));
  const wrong = await agent.submit(code, '/email/code', { code: wrongCode(sent) });
  assert.equal(wrong.response.status, 422);
  assert.match(wrong.html, /id="code-error"/);
  assert.equal((await read(person.id)).email, person.identifier);
  const done = await agent.submit(wrong, '/email/code', { code: sent });
  assert.equal(done.url.pathname, '/account/contact');
  assert.match(done.html, statusOf('Your e-mail address is changed.'));
  const user = await read(person.id);
  assert.deepEqual([user.email, user.emailVerified], [address, true]);
  await deps.outbox.drain();
  const notice = await mailbox.take(person.identifier);
  assert.match(notice.subject, /changed/i);
  const over = await agent.submit(code, '/email/code', { code: sent });
  assert.equal(over.url.pathname, '/account/contact/email', 'nothing waits any more');
});

test('an address of another account is told only to whoever has proved it', async () => {
  const taken = await addPerson('owner-of-it');
  const { agent, page, person } = await visit('wants-it', '/account/contact/email');
  const code = await agent.submit(page, '/contact/email', { address: taken.identifier });
  assert.equal(code.url.pathname, '/account/contact/email/code');
  const sent = codeIn(await mailbox.take(taken.identifier));
  const refused = await agent.submit(code, '/email/code', { code: sent });
  assert.equal(refused.response.status, 409);
  assert.match(refused.html, /Another account here has this one\./);
  assert.equal((await read(person.id)).email, person.identifier);
});

test('a code that waits is of the session that asked for it', async () => {
  const first = await visit('waits', '/account/contact/email');
  await first.agent.submit(first.page, '/contact/email', { address: 'waits-new@lotus.example' });
  const kept = first.agent.cookies.get('gh_account_email');
  assert.ok(kept);
  const second = await visit('waits-not', '/account/contact/email');
  const response = await fetch(new URL('/account/contact/email/code', url), {
    redirect: 'manual',
    headers: {
      accept: 'text/html',
      cookie: `gh_account=${second.agent.cookies.get('gh_account')}; gh_account_email=${kept}`,
    },
  });
  assert.equal(response.status, 303);
  assert.equal(response.headers.get('location'), '/account/contact/email');
});

test('a password is changed by whoever knows the present one; all other sessions end (ASVS 6.2.3, 7.4.3)', async () => {
  const { agent, page, person } = await visit('password', '/account/password');
  const elsewhere = await enterAccount(world, '/account', person);
  const fresh = 'a wholly new passphrase 7';
  const wrong = await agent.submit(page, '/account/password', { current: 'x', password: fresh });
  assert.equal(wrong.response.status, 401);
  assert.match(wrong.html, /id="current-error"/);
  const weak = await agent.submit(page, '/account/password', {
    current: person.password,
    password: 'short',
  });
  assert.match(weak.html, /id="password-error"/);
  assert.doesNotMatch(weak.html, new RegExp(person.password), 'no password comes back');
  const done = await agent.submit(page, '/account/password', {
    current: person.password,
    password: fresh,
  });
  assert.match(done.html, statusOf('Your password is changed'));
  assert.ok(isSentToSignIn(await elsewhere.agent.fetch('/account')));
  const again = await enterAccount(world, '/account', { ...person, password: fresh });
  assert.equal(again.page.response.status, 200);
});

test('whoever has no password sets one by a link in a mail', async () => {
  const { agent, person } = await visit('none', '/account/password');
  await deps.postgres.knex('user_passwords').where({ user_id: person.id }).delete();
  const page = await agent.follow('/account/password');
  assert.doesNotMatch(page.html, /name="current"/);
  const sent = await agent.submit(page, '/password/mail', {});
  assert.match(sent.html, statusOf('on its way to'));
  const { text } = await mailbox.take(person.identifier);
  assert.match(text, /\/reset-password\?token=/);
});

test('a copy of one’s data is that of the API, for its owner only (GDPR 15, 20)', async () => {
  const { agent, person } = await visit('export', '/account/data');
  const response = await agent.fetch('/account/data/download');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  assert.match(response.headers.get('content-disposition') ?? '', /^attachment; filename=/);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
  const copy = JSON.parse(await response.text());
  assert.equal(copy.profile.id, person.id);
  assert.ok(!JSON.stringify(copy).includes(world.people.user.id), 'nothing of others');
});

test('sensitive pages ask for a sign-in of the last 15 minutes and go on where they were (ASVS 7.5.1)', async () => {
  const { agent, page, person } = await visit('stale', '/account/contact/email');
  assert.equal(page.url.pathname, '/account/contact/email');
  await ageSignIn(person.id, 14 * 60);
  assert.equal((await agent.fetch('/account/data/delete')).status, 200);
  await ageSignIn(person.id, 16 * 60);
  assert.equal((await agent.fetch('/account/profile')).status, 200, 'others go on');
  for (const path of ['/account/contact/email', '/account/data/delete']) {
    const response = await agent.fetch(path);
    assert.ok(isSentToSignIn(response), path);
    const asked = new URL(response.headers.get('location') ?? '', url).searchParams;
    assert.deepEqual([asked.get('prompt'), asked.get('max_age')], ['login', '900']);
  }
  const { fields } = findForm(page, '/contact/email');
  const posted = await forge({ agent }, '/account/contact/email', {
    ...fields,
    address: 'late@lotus.example',
  });
  assert.ok(isSentToSignIn(posted), 'a form that waited too long, too');
  assert.ok(
    isSentToSignIn(
      await forge({ agent }, '/account/data/delete', { ...fields, word: person.identifier }),
    ),
  );
  assert.equal((await read(person.id)).status, 'active');
  const again = await enterAccount(world, '/account/data/delete', person, agent);
  assert.equal(again.page.url.pathname, '/account/data/delete');
  assert.equal(again.page.response.status, 200);
});

test('an account is deleted by whoever types whose it is; every session ends and nothing is left', async () => {
  const { agent, page, person } = await visit('deleted', '/account/data/delete');
  const elsewhere = await enterAccount(world, '/account', person);
  const wrong = await agent.submit(page, '/data/delete', { word: 'yes' });
  assert.equal(wrong.response.status, 400);
  assert.equal((await read(person.id)).status, 'active');
  const done = await agent.submit(page, '/data/delete', { word: person.identifier });
  assert.equal(done.url.pathname, '/account/goodbye');
  assert.match(done.html, /Your account is deleted/);
  assert.equal((await read(person.id)).status, 'deactivated');
  assert.ok(!agent.cookies.has('gh_account'));
  for (const one of [agent, elsewhere.agent]) {
    assert.ok(isSentToSignIn(await one.fetch('/account')));
  }
  const events = await eventsOf(deps, 'identity.user.deactivated.v1');
  assert.ok(events.some(({ subject }) => subject === person.id));
  const stranger = await fetch(new URL('/account/goodbye', url), { redirect: 'manual' });
  assert.equal(stranger.headers.get('location'), '/', 'a link to it tells nobody anything');
  await deps.outbox.drain();
  assert.match((await mailbox.take(person.identifier)).subject, /deleted/);
});
