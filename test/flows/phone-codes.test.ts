import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createSmsGateway } from '../helpers/sms-gateway.ts';
import { login } from './auth-support.ts';
import {
  assertProblem,
  codeIn,
  createProofWorld,
  MINUTE,
  post,
  shapeOf,
  wrongCode,
} from './proof-support.ts';
import { eventsOf } from './support.ts';

const gateway = await createSmsGateway();
const world = await createProofWorld({ OUTBOUND_ALLOWED_HOSTS: new URL(gateway.url).host });
const { deps, clock, mailbox, people } = world;
const { knex } = deps.postgres;
const { tenantId } = people;
await deps.configurations.set(
  { tenantId: null, group: 'SMS', key: 'provider' },
  {
    settings: {
      kind: 'http',
      url: `${gateway.url}/send`,
      headers: { 'X-Api-Key': '{credentials.key}' },
      body: { type: 'json', template: { to: '{to}', text: '{text}' } },
    },
    credentials: { key: 'k3y' },
  },
);
await deps.tenants.updateSettings(tenantId, { smsCodeSignIn: true });

/** The next SMS, which has to be for this number. */
async function takeSms(phone: string) {
  const { to, text } = JSON.parse((await gateway.take()).body) as Record<string, string>;
  assert.equal(to, phone);
  return { text: String(text) };
}
const rowOf = (id: string) => knex('users').where({ id }).first();

test('a number is verified by SMS, which makes a new account active', async () => {
  const phone = '+84901000001';
  const { id } = await deps.users.create({ tenantId, phone, status: 'pending_verification' });
  await deps.outbox.drain();
  const first = codeIn(await takeSms(phone));
  clock.advance(10 * MINUTE);
  const late = await post(world, '/auth/verify-phone', { phone, code: first });
  assertProblem(late, 422, 'IDENT_TOKEN_SPENT');
  assert.equal((await post(world, '/auth/verify-phone/request', { phone })).status, 202);
  const code = codeIn(await takeSms(phone));
  const wrong = await post(world, '/auth/verify-phone', { phone, code: wrongCode(code) });
  assertProblem(wrong, 422, 'IDENT_TOKEN_SPENT');
  assert.equal((await post(world, '/auth/verify-phone', { phone, code })).status, 204);
  const again = await post(world, '/auth/verify-phone', { phone, code });
  assertProblem(again, 422, 'IDENT_TOKEN_SPENT');
  const row = await rowOf(id);
  assert.deepEqual([row.status, row.phone_verified_at.getTime()], ['active', clock.now()]);
  const [event] = await eventsOf(deps, 'identity.user.phone_verified.v1');
  assert.deepEqual([event?.subject, event?.data], [id, { userId: id, initial: true }]);
  clock.advance(MINUTE);
  const requests = [phone, '+84909999999'].map((one) =>
    post(world, '/auth/verify-phone/request', { phone: one }),
  );
  const [verified, nobody] = await Promise.all(requests);
  assert.ok(verified && nobody);
  assert.deepEqual(shapeOf(verified), shapeOf(nobody), 'ASVS 6.3.8: a verified one is not told');
});

test('ASVS 6.3.7: another number takes the place of the old one; the mail address is told', async () => {
  const { accessToken: token } = await login(world);
  const phone = '+84901000002';
  assert.equal((await post(world, '/me/link/phone', { phone }, token)).status, 202);
  const code = codeIn(await takeSms(phone));
  const proof = { phone, code };
  assert.equal((await post(world, '/me/link/phone/verify', proof, token)).status, 204);
  const spent = await post(world, '/me/link/phone/verify', proof, token);
  assertProblem(spent, 422, 'IDENT_TOKEN_SPENT');
  const row = await rowOf(people.user.id);
  assert.equal(row.phone, phone);
  assert.ok(row.phone_verified_at);
  await deps.outbox.drain();
  await mailbox.take(people.user.email);
  const taken = '+84901000003';
  await deps.users.create({ tenantId, phone: taken });
  clock.advance(MINUTE);
  assert.equal((await post(world, '/me/link/phone', { phone: taken }, token)).status, 202);
  const other = { phone: taken, code: codeIn(await takeSms(taken)) };
  const refused = await post(world, '/me/link/phone/verify', other, token);
  assertProblem(refused, 409, 'IDENT_PHONE_DUPLICATE');
});

test('ASVS 6.5.5: a code by SMS signs in, marked as such, within five minutes', async () => {
  const phone = '+84901000004';
  const { id } = await deps.users.create({ tenantId, phone });
  const ask = () => post(world, '/auth/otp/request', { identifier: '+84 901 000 004' });
  const enter = (code: string) => post(world, '/auth/otp/verify', { identifier: phone, code });
  assert.equal((await ask()).status, 202, 'a number that nobody proved gets nothing');
  clock.advance(MINUTE);
  await knex('users')
    .where({ id })
    .update({ phone_verified_at: new Date(clock.now()) });
  await ask();
  const late = codeIn(await takeSms(phone));
  clock.advance(5 * MINUTE);
  assertProblem(await enter(late), 422, 'IDENT_TOKEN_SPENT');
  await ask();
  const { status, body } = await enter(codeIn(await takeSms(phone)));
  assert.equal(status, 200);
  assert.deepEqual(decodeJwt(String(body.accessToken)).amr, ['otp', 'sms']);
  await deps.tenants.updateSettings(tenantId, { smsCodeSignIn: false });
  clock.advance(MINUTE);
  assert.equal((await ask()).status, 202);
  assertProblem(await enter('123456'), 422, 'IDENT_TOKEN_SPENT');
});
