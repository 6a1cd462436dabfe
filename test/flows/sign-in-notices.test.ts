import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConsumers } from '../../src/consumers.ts';
import type { PublishedEvent } from '../../src/kernel/events.ts';
import { callApi } from './auth-support.ts';
import { createProofWorld, HOUR } from './proof-support.ts';
import { addressesIn, openSignIn, TRUSTING } from './sign-in-support.ts';
import { becomesTrue } from './support.ts';

/** People are told of sign-ins and tries that may not have been theirs (ASVS 6.3.5). */

const world = await createProofWorld(TRUSTING);
const { deps, mailbox, clock } = world;
const { knex } = deps.postgres;
await deps.tenants.updateSettings(world.people.tenantId, { newSignInNotice: null });
const newAddress = addressesIn('203.0.113');
const PASSWORD = 'another fine password';

let count = 0;

async function addPerson(more: { locale?: 'en' | 'vi'; emailVerified?: boolean } = {}) {
  const email = `noticed-${count++}@lotus.example`;
  const { tenantId } = world.people;
  const user = await deps.users.create(
    { tenantId, email, name: 'Trần Bình', emailVerified: true, ...more },
    PASSWORD,
  );
  return { id: user.id, email };
}

type Person = Awaited<ReturnType<typeof addPerson>>;

async function signIn({ email }: Person, device?: string) {
  const { attempt } = await openSignIn(world, world.url, device);
  const done = await attempt(email, PASSWORD, newAddress());
  assert.equal(done.status, 303);
  return done.device;
}

/** Ten failures at an account; nine of them without the work of hashing. */
async function lock({ id, email }: Person): Promise<void> {
  const quarter = HOUR / 4;
  const budget = { bucket: 'login-account', key: `user:${id}`, limit: 10, windowMs: quarter };
  for (let i = 0; i < 9; i += 1) await deps.rateLimits.hit({ ...budget, blockMs: quarter });
  const { status } = await callApi(world.url, 'POST', '/auth/login', {
    body: { identifier: email, password: 'wrong' },
    headers: { 'x-forwarded-for': newAddress() },
  });
  assert.equal(status, 401);
  assert.equal(await deps.signIn.isLocked(id), true);
}

/** Mails to a person, but for the one that asks to prove the address. */
const mailsTo = ({ email }: Person) =>
  mailbox.mails.filter(({ to, text }) => to.includes(email) && !text.includes('/verify-email'));

/** All events so far are published and consumed: what was not sent by then never is. */
async function settle(): Promise<void> {
  const last = await addPerson();
  await signIn(last);
  await signIn(last);
  await deps.outbox.drain();
  await mailbox.take(last.email);
}

test('the first sign-in of all is not told of, one from another browser is, with when, where and by what', async () => {
  const person = await addPerson();
  const device = await signIn(person);
  await signIn(person, device);
  await settle();
  assert.deepEqual(mailsTo(person), []);
  await signIn(person);
  await deps.outbox.drain();
  const mail = await mailbox.take(person.email);
  assert.match(mail.subject, /^New sign-in to your Lotus Health account$/);
  assert.match(mail.text, /When: .*UTC/);
  assert.match(mail.text, /From the address: 203\.0\.113\.\d+/);
  assert.ok(mail.text.includes(`${world.config.ISSUER}/forgot-password`));
  const isForgotten = async () => {
    const rows = await knex('known_browsers').where({ user_id: person.id });
    return rows.every((row) => row.client_ip === null && row.user_agent === null);
  };
  assert.ok(await becomesTrue(isForgotten, 30_000), 'the address is kept until it was told');
});

test('nobody is told at an address that is not proved, nor where the tenant does not want it', async () => {
  const unproved = await addPerson({ emailVerified: false });
  await signIn(unproved);
  await signIn(unproved);
  await deps.outbox.drain();
  await settle();
  const { tenantId } = world.people;
  await deps.tenants.updateSettings(tenantId, { newSignInNotice: false });
  const unwanted = await addPerson();
  await signIn(unwanted);
  await signIn(unwanted);
  await deps.outbox.drain();
  const isDone = async () => {
    const rows = await knex('known_browsers').where({ user_id: unwanted.id });
    return rows.every((row) => row.client_ip === null);
  };
  assert.ok(await becomesTrue(isDone, 30_000));
  await deps.tenants.updateSettings(tenantId, { newSignInNotice: null });
  await settle();
  assert.deepEqual(mailsTo(unproved), []);
  assert.deepEqual(mailsTo(unwanted), []);
});

test('the owner of an account that was locked is told once a day, in their language', async () => {
  const person = await addPerson({ locale: 'vi' });
  await lock(person);
  await deps.outbox.drain();
  const mail = await mailbox.take(person.email);
  assert.equal(mail.subject, 'Tài khoản Lotus Health của bạn tạm khoá');
  assert.match(mail.text, /15 phút/);
  clock.advance(HOUR);
  await lock(person);
  await deps.outbox.drain();
  await settle();
  assert.equal(mailsTo(person).length, 1);
});

test('told twice of one event, the consumers send one mail', async () => {
  const person = await addPerson();
  await lock(person);
  const row = await knex('outbox_events')
    .where({ type: 'identity.user.locked.v1', subject: person.id })
    .first();
  const event: PublishedEvent = {
    id: row.id,
    type: row.type,
    subject: row.subject,
    tenantId: row.tenant_id,
    actorId: null,
    requestId: null,
    traceparent: null,
    data: row.data,
    occurredAt: new Date(clock.now()).toISOString(),
  };
  const [locked] = createConsumers(deps).filter(({ name }) => name === 'account-locked');
  await locked?.handle(event);
  await locked?.handle(event);
  await mailbox.take(person.email);
  await settle();
  assert.equal(mailsTo(person).length, 1);
});
