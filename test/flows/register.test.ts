import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeIn, createProofWorld, HOUR, post } from './proof-support.ts';
import { eventsOf } from './support.ts';

const world = await createProofWorld();
const { deps, clock, mailbox, people } = world;
const { tenantId } = people;
const { knex } = deps.postgres;
await deps.tenants.updateSettings(tenantId, { selfRegistration: true });
await deps.tenants.create({ slug: 'closed', name: 'Closed Clinic' });

const PASSWORD = 'quite a long pass phrase 7';

const register = (fields: Record<string, unknown>, tenant = 'lotus') =>
  post(world, '/auth/register', { tenant, password: PASSWORD, ...fields });

/** The next mail to somebody, once all events were handed on. */
async function takeMail(to: string) {
  await deps.outbox.drain();
  return mailbox.take(to);
}

const usersOf = (email: string) =>
  knex('users').whereRaw('lower(email) = ?', [email.toLowerCase()]).select('id', 'status');

const signIn = (identifier: string, password = PASSWORD) =>
  deps.signIn.withPassword({
    identifier,
    password,
    organisation: null,
    tenantId,
    clientId: null,
    clientIp: '192.0.2.8',
  });

test('who registers gets a mail, proves the address and then signs in', async () => {
  const answer = await register({
    email: 'New@lotus.example',
    name: 'Trần Mới',
    locale: 'vi',
    zoneinfo: 'Asia/Ho_Chi_Minh',
  });
  assert.equal(answer.status, 201);
  assert.deepEqual(answer.body, { status: 'pending_verification' });
  const [user] = await usersOf('new@lotus.example');
  const [event] = (await eventsOf(deps, 'identity.user.registered.v1')).slice(-1);
  assert.deepEqual(event?.data, { userId: user?.id, status: 'pending_verification' });

  // A right password alone tells nothing before the proof, not even that there is an account.
  await assert.rejects(signIn('new@lotus.example'), { code: 'IDENT_INVALID_CREDENTIALS' });
  const mail = await takeMail('new@lotus.example');
  const verified = await post(world, '/auth/verify-email', {
    tenant: 'lotus',
    email: 'new@lotus.example',
    code: codeIn(mail),
  });
  assert.equal(verified.status, 204);
  assert.equal((await signIn('new@lotus.example')).user.id, user?.id);
});

test('a taken address is answered like a free one, and its owner is told (ASVS 6.3.8)', async () => {
  const free = await register({ email: 'free@lotus.example' });
  const taken = await register({ email: people.user.email.toUpperCase(), name: 'Stranger' });
  assert.equal(taken.status, free.status);
  assert.deepEqual(taken.body, free.body);
  const names = ({ headers }: { headers: Headers }) =>
    [...headers.keys()].filter((name) => !/^(date|x-request-id|ratelimit)/.test(name)).sort();
  assert.deepEqual(names(taken), names(free));
  const notice = await takeMail(people.user.email);
  assert.match(notice.subject, /already have/i);
  assert.ok(!notice.text.includes('Stranger'), 'nobody writes into the mail of another');
  assert.equal((await usersOf(people.user.email)).length, 1);
  assert.equal((await signIn(people.user.email, people.user.password)).user.id, people.user.id);
  await assert.rejects(signIn(people.user.email), { code: 'IDENT_INVALID_CREDENTIALS' });
});

test('however often somebody tries an address, its owner is told three times a day', async () => {
  const before = mailbox.mails.length;
  for (let index = 0; index < 4; index += 1) await register({ email: people.user.email });
  // Another address comes after all of those.
  await register({ email: 'after@lotus.example' });
  await takeMail('after@lotus.example');
  const own = mailbox.mails.slice(before).filter(({ to }) => to.includes(people.user.email));
  assert.ok(own.length <= 2, String(own.length));
});

test('a taken number is answered like a free one; a username is public and says so', async () => {
  const phone = '+84901112223';
  const first = await register({ phone });
  const second = await register({ phone });
  assert.deepEqual([first.status, first.body], [201, { status: 'pending_verification' }]);
  assert.deepEqual([second.status, second.body], [first.status, first.body]);
  assert.equal((await knex('users').where({ phone })).length, 1);

  const named = await register({ username: 'Fresh.Name' });
  assert.deepEqual([named.status, named.body], [201, { status: 'active' }]);
  const again = await register({ username: 'fresh.name' });
  assert.deepEqual([again.status, again.body.code], [409, 'IDENT_USERNAME_DUPLICATE']);
});

test('what cannot be registered is refused before anything is looked up', async () => {
  const cases: [Record<string, unknown>, number, string, string?][] = [
    [{}, 400, 'IDENT_VALIDATION'],
    // A second identifier would tell what became of the first.
    [{ email: 'a@lotus.example', username: 'a.b' }, 400, 'IDENT_VALIDATION'],
    [{ email: 'not an address' }, 400, 'IDENT_VALIDATION'],
    [{ email: 'b@lotus.example', emailVerified: true }, 400, 'IDENT_VALIDATION'],
    [{ email: 'b@lotus.example', roles: ['tenant_admin'] }, 400, 'IDENT_VALIDATION'],
    [{ email: 'b@lotus.example', status: 'active' }, 400, 'IDENT_VALIDATION'],
    [{ email: 'b@lotus.example', attributes: { admin: true } }, 400, 'IDENT_VALIDATION'],
    [{ email: 'b@lotus.example', password: 'short' }, 400, 'IDENT_WEAK_PASSWORD'],
    [{ email: people.user.email, password: 'short' }, 400, 'IDENT_WEAK_PASSWORD'],
    [{ email: 'b@lotus.example' }, 403, 'IDENT_FORBIDDEN', 'closed'],
    [{ email: 'b@lotus.example' }, 403, 'IDENT_FORBIDDEN', 'no-such-tenant'],
  ];
  for (const [fields, status, code, tenant] of cases) {
    const answer = await register(fields, tenant);
    assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(fields));
  }
  assert.deepEqual(await usersOf('b@lotus.example'), []);
});

test('of fifty registrations of one address at once one makes a user, and all are answered alike', async () => {
  const email = 'race@lotus.example';
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      deps.signUp.register(
        { tenantId, email: index % 2 ? email : email.toUpperCase(), password: PASSWORD },
        `192.0.2.${index}`,
      ),
    ),
  );
  for (const answer of answers) assert.deepEqual(answer, { status: 'pending_verification' });
  assert.equal((await usersOf(email)).length, 1);
  const [user] = await usersOf(email);
  const events = (await eventsOf(deps)).filter(({ subject }) => subject === user?.id);
  const count = (type: string) => events.filter((event) => event.type.includes(type)).length;
  assert.deepEqual([count('registered.v1'), count('registration_refused')], [1, 49]);
});

test('nobody reserves an address of another: one that was not proved in an hour gives way, with its password and link', async () => {
  const email = 'owner@lotus.example';
  await register({ email, password: 'the pass phrase of a squatter' });
  const [squatter] = await usersOf(email);
  const link = codeIn(await takeMail(email));
  await register({ email });
  assert.equal((await usersOf(email))[0]?.id, squatter?.id, 'within the hour the first one holds');
  clock.advance(HOUR + 1);
  await register({ email });
  const [owner] = await usersOf(email);
  assert.notEqual(owner?.id, squatter?.id);
  const old = await deps.users.find(tenantId, squatter?.id);
  assert.deepEqual([old?.status, old?.email], ['deactivated', null]);
  const spent = await post(world, '/auth/verify-email', { tenant: 'lotus', email, code: link });
  assert.equal(spent.status, 422);
});

test('an account that an administrator made is never taken over by registering', async () => {
  const email = 'invited@lotus.example';
  const invited = await deps.users.create({ tenantId, email, status: 'pending_verification' });
  clock.advance(8 * 24 * HOUR);
  await register({ email });
  assert.deepEqual(await usersOf(email), [{ id: invited.id, status: 'pending_verification' }]);
  await deps.lifecycle.eraseExpired();
  assert.deepEqual(await usersOf(email), [{ id: invited.id, status: 'pending_verification' }]);
});

test('an account that nobody proved in a week is erased', async () => {
  const email = 'forgotten@lotus.example';
  await register({ email });
  const [user] = await usersOf(email);
  clock.advance(7 * 24 * HOUR - 1_000);
  await deps.lifecycle.eraseExpired();
  assert.equal((await usersOf(email)).length, 1);
  clock.advance(2_000);
  assert.ok((await deps.lifecycle.eraseExpired()) > 0);
  assert.deepEqual(await usersOf(email), []);
  assert.equal((await deps.users.find(tenantId, user?.id))?.status, 'deactivated');
});

test('a tenant may let people in before the proof', async () => {
  await deps.tenants.updateSettings(tenantId, { requireVerifiedEmail: false });
  const email = 'early@lotus.example';
  await register({ email });
  const { user } = await signIn(email);
  assert.deepEqual([user.status, user.emailVerified], ['pending_verification', false]);
});
