import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createConsumers } from '../../src/consumers.ts';
import { userEvents } from '../../src/features/user/index.ts';
import { newId } from '../../src/kernel/ids.ts';
import {
  addPending,
  assertProblem,
  codeIn,
  countWork,
  createProofWorld,
  createQuietWorld,
  HOUR,
  MINUTE,
  post,
  shapeOf,
  tokenIn,
  wrongCode,
} from './proof-support.ts';
import { eventsOf } from './support.ts';

const world = await createProofWorld();
const { deps, clock, mailbox, people } = world;
const { knex } = deps.postgres;

const REQUEST = '/auth/verify-email/request';
const VERIFY = '/auth/verify-email';
const ask = (email: string, tenant?: string) => post(world, REQUEST, { email, tenant });
const rowOf = (id: string) => knex('users').where({ id }).first('status', 'email_verified_at');
const verifiedEvents = async (id: string) =>
  (await eventsOf(deps, 'identity.user.email_verified.v1')).filter(({ subject }) => subject === id);

/** The event of a registration with the address of this user. */
const refusalOf = (userId: string) => ({
  id: newId(),
  type: userEvents.registrationRefused.type,
  subject: userId,
  tenantId: people.tenantId,
  data: { userId },
  occurredAt: new Date(clock.now()).toISOString(),
  ...{ actorId: null, requestId: null, traceparent: null },
});

suite('verifying an e-mail address', () => {
  test('a new account is written to; the link verifies it once, and a welcome follows', async () => {
    const user = await addPending(world, { locale: 'vi' });
    await deps.outbox.drain();
    const mail = await mailbox.take(user.email);
    assert.match(mail.html, /lang="vi"/);
    codeIn(mail);
    const token = tokenIn(mail);
    const answer = await post(world, VERIFY, { token });
    assert.equal(answer.status, 204);
    const row = await rowOf(user.id);
    assert.equal(row.status, 'active');
    assert.equal(row.email_verified_at.getTime(), clock.now());
    assert.deepEqual(
      (await verifiedEvents(user.id)).map(({ data }) => data),
      [{ userId: user.id, initial: true }],
    );
    assertProblem(await post(world, VERIFY, { token }), 422, 'IDENT_TOKEN_SPENT');
    await deps.outbox.drain();
    const { subject, text } = await mailbox.take(user.email);
    assert.match(subject, /Lotus Health/);
    assert.doesNotMatch(text, /\d{6}/, 'the welcome has no code');
  });

  test('told of the event twice, a consumer makes the same link; long after, none', async () => {
    const user = await addPending(world);
    const [row] = await knex('outbox_events').where({ subject: user.id });
    const event = { ...row, tenantId: row.tenant_id, occurredAt: row.occurred_at.toISOString() };
    const consumer = createConsumers(deps).find(({ name }) => name === 'verification-message');
    await consumer?.handle(event);
    await consumer?.handle(event);
    const links = await knex('one_time_links').where({ user_id: user.id });
    assert.equal(links.length, 1);
    const token = tokenIn(await mailbox.take(user.email));
    assert.equal((await post(world, VERIFY, { token })).status, 204);
    await knex('users').where({ id: user.id }).update({ email_verified_at: null });
    await consumer?.handle(event);
    assertProblem(await post(world, VERIFY, { token }), 422, 'IDENT_TOKEN_SPENT');
    await knex('one_time_links').where({ user_id: user.id }).delete();
    clock.advance(24 * HOUR);
    await consumer?.handle(event);
    assert.equal((await knex('one_time_links').where({ user_id: user.id })).length, 0);
  });

  test('ASVS 6.5.1: the code verifies once, and ends the link of the same mail', async () => {
    const user = await addPending(world);
    assert.equal((await ask(user.email.toUpperCase())).status, 202);
    const mail = await mailbox.take(user.email);
    const code = codeIn(mail);
    const email = user.email;
    const wrong = await post(world, VERIFY, { email, code: wrongCode(code) });
    assertProblem(wrong, 422, 'IDENT_TOKEN_SPENT');
    const tries = await Promise.all(
      Array.from({ length: 4 }, () => post(world, VERIFY, { email, code })),
    );
    assert.deepEqual(tries.map(({ status }) => status).sort(), [204, 422, 422, 422]);
    assert.equal((await rowOf(user.id)).status, 'active');
    assert.equal((await verifiedEvents(user.id)).length, 1);
    assertProblem(await post(world, VERIFY, { token: tokenIn(mail) }), 422, 'IDENT_TOKEN_SPENT');
  });

  test('the code is good for 15 minutes, the link for 24 hours', async () => {
    const user = await addPending(world);
    await ask(user.email);
    const mail = await mailbox.take(user.email);
    clock.advance(15 * MINUTE);
    const late = await post(world, VERIFY, { email: user.email, code: codeIn(mail) });
    assertProblem(late, 422, 'IDENT_TOKEN_SPENT');
    clock.advance(24 * HOUR - 15 * MINUTE - 1);
    const other = await addPending(world);
    await ask(other.email);
    const newer = await mailbox.take(other.email);
    assert.equal((await post(world, VERIFY, { token: tokenIn(mail) })).status, 204);
    clock.advance(24 * HOUR);
    assertProblem(await post(world, VERIFY, { token: tokenIn(newer) }), 422, 'IDENT_TOKEN_SPENT');
    assert.equal((await rowOf(other.id)).status, 'pending_verification');
  });

  test('ASVS 6.6.3: the sixth try is refused with 423, ten codes are sent in 24 hours, one a minute', async () => {
    const user = await addPending(world);
    await ask(user.email);
    const code = codeIn(await mailbox.take(user.email));
    for (let tries = 1; tries <= 5; tries++) {
      const wrong = await post(world, VERIFY, { email: user.email, code: wrongCode(code, tries) });
      assertProblem(wrong, 422, 'IDENT_TOKEN_SPENT');
    }
    const locked = await post(world, VERIFY, { email: user.email, code });
    assertProblem(locked, 423, 'IDENT_LOCKED');
    assert.equal(locked.headers.get('retry-after'), '900');
    clock.advance(15 * MINUTE);
    for (let sent = 1; sent < 10; sent++) {
      assert.equal((await ask(user.email)).status, 202);
      const soon = await ask(user.email);
      assertProblem(soon, 429, 'IDENT_RATE_LIMITED');
      assert.equal(soon.headers.get('retry-after'), '60');
      clock.advance(MINUTE);
    }
    const eleventh = await ask(user.email);
    assertProblem(eleventh, 429, 'IDENT_RATE_LIMITED');
    assert.ok(Number(eleventh.headers.get('retry-after')) > 23 * 3_600);
  });

  test('CVE-2025-7365: a link and a code verify the address they were made for, not another', async () => {
    const user = await addPending(world);
    await ask(user.email);
    const mail = await mailbox.take(user.email);
    await knex('users').where({ id: user.id }).update({ email: 'victim@lotus.example' });
    for (const body of [
      { token: tokenIn(mail) },
      { email: user.email, code: codeIn(mail) },
      { email: 'victim@lotus.example', code: codeIn(mail) },
    ]) {
      assertProblem(await post(world, VERIFY, body), 422, 'IDENT_TOKEN_SPENT');
    }
    assert.equal((await rowOf(user.id)).email_verified_at, null);
  });

  test('nobody else is proved by it: not a user of another tenant who has the same address', async () => {
    const { id: tenantId } = await deps.tenants.create({ slug: 'jasmine', name: 'Jasmine' });
    const here = await addPending(world);
    const there = await deps.users.create({ tenantId, email: here.email });
    await ask(here.email, 'lotus');
    const code = codeIn(await mailbox.take(here.email));
    const elsewhere = { email: here.email, code, tenant: 'jasmine' };
    assertProblem(await post(world, VERIFY, elsewhere), 422, 'IDENT_TOKEN_SPENT');
    const right = await post(world, VERIFY, { email: here.email, code, tenant: 'lotus' });
    assert.equal(right.status, 204);
    assert.equal((await rowOf(there.id)).email_verified_at, null);
  });
});

suite('ASVS 6.3.8: who has an address is not told', () => {
  test('somebody who registers with an address of another sees the limits of a new account', async () => {
    const { tenantId } = people;
    const pending = await addPending(world);
    const email = 'proved@lotus.example';
    const { id } = await deps.users.create({ tenantId, email, emailVerified: true });
    await deps.outbox.drain();
    const first = codeIn(await mailbox.take(pending.email));
    clock.advance(MINUTE);
    const consumer = createConsumers(deps).find(({ name }) => name === 'verification-decoy');
    for (const userId of [id, pending.id]) await consumer?.handle(refusalOf(userId));
    const mail = await mailbox.take(pending.email);
    // A code that was never sent is in its place.
    for (const one of [email, pending.email]) {
      assertProblem(await ask(one), 429, 'IDENT_RATE_LIMITED');
    }
    for (let tries = 1; tries <= 5; tries++) {
      const wrong = await post(world, VERIFY, { email, code: `00000${tries}` });
      assertProblem(wrong, 422, 'IDENT_TOKEN_SPENT');
    }
    assertProblem(await post(world, VERIFY, { email, code: '000000' }), 423, 'IDENT_LOCKED');
    const old = await post(world, VERIFY, { email: pending.email, code: first });
    if (first !== codeIn(mail)) assertProblem(old, 422, 'IDENT_TOKEN_SPENT');
    assert.equal((await post(world, VERIFY, { token: tokenIn(mail) })).status, 204);
    assert.ok(!mailbox.mails.some(({ to, text }) => to.includes(email) && /\d{6}/.test(text)));
  });

  const closed = async () => {
    const user = await addPending(world);
    await knex('users').where({ id: user.id }).update({ status: 'suspended' });
    return user.email;
  };

  test('known, unknown, verified and suspended addresses get the same answers', async () => {
    const known = await addPending(world);
    const emails = [known.email, 'nobody@lotus.example', people.user.email, await closed()];
    const first = await Promise.all(emails.map((email) => ask(email)));
    const again = await Promise.all(emails.map((email) => ask(email)));
    const wrong = await Promise.all(
      emails.map((email) => post(world, VERIFY, { email, code: '000000' })),
    );
    for (const answers of [first, again, wrong]) {
      for (const answer of answers)
        assert.deepEqual(shapeOf(answer), shapeOf(answers[0] ?? answer));
    }
    assert.deepEqual([first[0]?.status, again[0]?.status, wrong[0]?.status], [202, 429, 422]);
    await mailbox.take(known.email);
    const strangers = emails.slice(1);
    assert.ok(!mailbox.mails.some(({ to }) => strangers.some((email) => to.includes(email))));
  });

  test('and the same work is done for them: as many questions to Redis and Postgres, one message', async () => {
    const quiet = await createQuietWorld();
    const known = await addPending(quiet);
    const shut = await addPending(quiet);
    await quiet.deps.postgres.knex('users').where({ id: shut.id }).update({ status: 'suspended' });
    const emails = [known.email, 'nobody@lotus.example', quiet.people.user.email, shut.email];
    const works = [];
    for (const email of emails) {
      works.push(await countWork(quiet, () => post(quiet, REQUEST, { email })));
    }
    const [first, ...others] = works;
    assert.equal(first?.messages, 1, JSON.stringify(first));
    assert.ok(first.scripts >= 2 && first.queries.length >= 4, JSON.stringify(first));
    for (const work of others) assert.deepEqual(work, first);
  });

  test('no event, log or metric tells a code or an address', async () => {
    const user = await addPending(world);
    await ask(user.email);
    const mail = await mailbox.take(user.email);
    await post(world, VERIFY, { token: tokenIn(mail) });
    const told = JSON.stringify([
      world.logs,
      await eventsOf(deps),
      await deps.metrics.renderMetrics(),
    ]);
    assert.ok(!told.includes(user.email) && !told.includes(tokenIn(mail)));
    assert.match(
      await deps.metrics.renderMetrics(),
      /auth_otp_total\{namespace="verify-email",result="sent"\} \d/,
    );
  });
});

test('without a mail server it is said at once, for everybody alike', async () => {
  const mute = await createQuietWorld({ SMTP_URL: '' });
  for (const email of [mute.people.user.email, 'nobody@lotus.example']) {
    assertProblem(await post(mute, REQUEST, { email }), 503, 'IDENT_UNAVAILABLE');
  }
  assertProblem(
    await post(mute, '/auth/verify-phone/request', { phone: '+84901234567' }),
    503,
    'IDENT_UNAVAILABLE',
  );
});
