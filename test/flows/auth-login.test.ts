import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createFakeClock } from '../helpers/clock.ts';
import { CHEAP_HASHES, callApi } from './auth-support.ts';
import { addressesIn, TRUSTING } from './sign-in-support.ts';
import { type Answer, addUser, createWorld, eventsOf, randomText } from './support.ts';

/** POST /auth/login: what it takes and what it answers. Who may sign in is tested with the pages. */

const clock = createFakeClock();
const world = await createWorld({
  settings: { ...TRUSTING, ...CHEAP_HASHES, MAX_CONCURRENT_HASHES: '1', HASH_QUEUE_LIMIT: '0' },
  overrides: { clock },
});
const { url, people, deps } = world;
const newAddress = addressesIn('203.0.113');
const MINUTE = 60_000;

const attempt = (
  identifier: unknown,
  password: unknown,
  address = newAddress(),
  more: Record<string, unknown> = {},
): Promise<Answer> =>
  callApi(url, 'POST', '/auth/login', {
    body: { identifier, password, ...more },
    headers: { 'x-forwarded-for': address },
  });

/** What differs from one answer to the next by nature. */
const plain = ({ status, body }: Answer) => ({ status, ...body, requestId: '' });

const setStatus = (id: string, status: string) =>
  deps.postgres.knex('users').where({ id }).update({ status });

test('a person signs in by e-mail or username and is told who they are; events say so', async () => {
  const before = (await eventsOf(deps)).length;
  const { user } = people;
  for (const identifier of [user.email, user.email.toUpperCase(), user.username]) {
    const { status, body, headers } = await attempt(identifier, user.password);
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), [
      'accessToken',
      'expiresIn',
      'refreshToken',
      'tokenType',
      'user',
    ]);
    assert.deepEqual([body.tokenType, body.expiresIn], ['Bearer', 900]);
    assert.deepEqual(body.user, {
      id: user.id,
      tenantId: people.tenantId,
      status: 'active',
      email: user.email,
      emailVerified: true,
      phone: null,
      phoneVerified: false,
      username: user.username,
      name: 'Nguyễn Thị An',
      locale: null,
    });
    assert.match(headers.get('cache-control') ?? '', /no-store/);
    assert.equal(headers.get('set-cookie'), null);
  }
  const pair = ['identity.user.logged_in.v1', 'identity.session.created.v1'];
  const types = (await eventsOf(deps)).slice(before).map(({ type }) => type);
  assert.deepEqual(
    types.filter((type) => pair.includes(type)),
    [...pair, ...pair, ...pair],
  );
});

test('unknown, wrong, suspended, deactivated: one answer (ASVS 6.3.8)', async () => {
  const suspended = await addUser(world, 'suspended');
  const deactivated = await addUser(world, 'deactivated');
  await setStatus(suspended.id, 'suspended');
  await setStatus(deactivated.id, 'deactivated');
  const answers = [
    await attempt(`nobody-${randomText(4)}@lotus.example`, 'whatever it was'),
    await attempt(people.user.email, 'not the password'),
    await attempt(suspended.identifier, suspended.password),
    await attempt(deactivated.identifier, deactivated.password),
    await attempt('not an identifier at all', 'whatever it was'),
    await attempt(people.user.email, 'x'.repeat(4_000)),
  ];
  for (const answer of answers) assert.deepEqual(plain(answer), plain(answers[0] as Answer));
  assert.deepEqual(
    [answers[0]?.status, answers[0]?.body.code, answers[0]?.headers.get('www-authenticate')],
    [401, 'IDENT_INVALID_CREDENTIALS', 'Bearer realm="gatehouse"'],
  );
});

test('six failures from one address in five minutes; the seventh waits, with Retry-After (ASVS 6.3.1)', async () => {
  const address = newAddress();
  for (let i = 1; i <= 6; i += 1) {
    const { status } = await attempt(`n-${randomText(4)}@lotus.example`, 'wrong', address);
    assert.equal(status, 401, `try ${i}`);
  }
  const seventh = await attempt(people.user.email, people.user.password, address);
  assert.deepEqual([seventh.status, seventh.body.code], [429, 'IDENT_RATE_LIMITED']);
  const wait = Number(seventh.headers.get('retry-after'));
  assert.ok(wait > 0 && wait <= 300, `${wait} s`);
  assert.ok(seventh.headers.has('ratelimit-limit'));
  clock.advance(5 * MINUTE);
  assert.equal((await attempt(people.user.email, people.user.password, address)).status, 200);
});

test('ten failures at one account in fifteen minutes lock it for fifteen: 423 with Retry-After', async () => {
  const victim = await addUser(world, 'victim');
  for (let i = 1; i <= 10; i += 1) {
    assert.equal((await attempt(victim.identifier, 'wrong')).status, 401, `try ${i}`);
  }
  const locked = await attempt(victim.identifier, victim.password);
  assert.deepEqual([locked.status, locked.body.code], [423, 'IDENT_LOCKED']);
  const wait = Number(locked.headers.get('retry-after'));
  assert.ok(wait > 0 && wait <= 900, `${wait} s`);
  clock.advance(15 * MINUTE);
  assert.equal((await attempt(victim.identifier, victim.password)).status, 200);
});

test('no thread for a hash: 503 with Retry-After, and the attempt does not count', async () => {
  let isOver = false;
  const occupy = async (): Promise<void> => {
    while (!isOver) await deps.passwords.hash('occupied').catch(() => setImmediate());
  };
  const occupied = occupy();
  const address = newAddress();
  for (let i = 0; i < 8; i += 1) {
    const { status, body, headers } = await attempt(people.user.email, 'wrong', address);
    assert.deepEqual([status, body.code], [503, 'IDENT_HASH_BUSY']);
    assert.ok(Number(headers.get('retry-after')) > 0);
  }
  isOver = true;
  await occupied;
  assert.equal((await attempt(people.user.email, people.user.password, address)).status, 200);
});

test('thirty requests of one address in a minute, whatever they ask', async () => {
  const address = newAddress();
  const statuses: number[] = [];
  for (let i = 0; i < 31; i += 1) {
    const { status } = await callApi(url, 'POST', '/auth/login', {
      body: {},
      headers: { 'x-forwarded-for': address },
    });
    statuses.push(status);
  }
  assert.deepEqual(statuses, [...Array(30).fill(400), 429]);
});

test('what does not fit is refused by field, before any password is looked at', async () => {
  const before = (await eventsOf(deps)).length;
  const { email, password } = people.user;
  const bad: [unknown, unknown, Record<string, unknown>, string][] = [
    [undefined, password, {}, 'identifier'],
    ['', password, {}, 'identifier'],
    [['a'], password, {}, 'identifier'],
    ['x'.repeat(321), password, {}, 'identifier'],
    [email, undefined, {}, 'password'],
    [email, '', {}, 'password'],
    [email, { $ne: null }, {}, 'password'],
    [email, 'x'.repeat(4_097), {}, 'password'],
    [email, password, { tenant: '' }, 'tenant'],
    [email, password, { tenant: 7 }, 'tenant'],
    [email, password, { scope: 'tenant:users:write' }, 'scope'],
  ];
  for (const [identifier, word, more, path] of bad) {
    const { status, body } = await attempt(identifier, word, newAddress(), more);
    assert.deepEqual([status, body.code], [400, 'IDENT_VALIDATION']);
    const paths = (body.errors as { path: string }[]).map((error) => error.path);
    assert.deepEqual(paths, [path]);
    assert.ok(!JSON.stringify(body).includes(password));
  }
  assert.equal((await eventsOf(deps)).length, before);
});

test('sign-ins count by result; nothing secret is in the log (ASVS 16.2.5)', async () => {
  const { body } = await attempt(people.user.email, people.user.password);
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const result of ['success', 'failure', 'rate_limited', 'locked', 'busy']) {
    assert.match(text, new RegExp(`auth_login_total\\{result="${result}"\\} [1-9]`));
  }
  const log = JSON.stringify(world.logs);
  for (const secret of [people.user.password, body.accessToken, body.refreshToken]) {
    assert.ok(!log.includes(String(secret)));
  }
  assert.ok(!log.includes(people.user.email));
});
