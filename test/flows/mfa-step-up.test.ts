import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callApi } from './auth-support.ts';
import {
  addApp,
  addPerson,
  addProtected,
  challenge,
  createMfaWorld,
  login,
  MINUTE,
  type Person,
  verify,
} from './mfa-support.ts';

/** What of our own API asks for a fresh sign-in, and for both factors of who has two (RFC 9470). */

const world = await createMfaWorld();
const { url, clock } = world;
const BOTH = 'acr_values="urn:gatehouse:acr:2fa urn:gatehouse:acr:phr"';

const SENSITIVE = [
  ['DELETE', '/me', undefined],
  ['POST', '/auth/password/change', { currentPassword: 'x', newPassword: 'y' }],
  ['POST', '/me/link/email', { email: 'new@lotus.example' }],
  ['POST', '/me/link/email/verify', { email: 'new@lotus.example', code: '123456' }],
  ['POST', '/me/link/phone', { phone: '+84901234567' }],
  ['POST', '/me/link/phone/verify', { phone: '+84901234567', code: '123456' }],
  ['POST', '/me/mfa/totp/enroll', { name: 'Phone' }],
  ['POST', '/me/mfa/recovery-codes', {}],
] as const;

const tokenOf = async (person: Person): Promise<string> =>
  String((await login(world, person)).body.accessToken);

/** What the API says to do (RFC 9470 3); undefined where it asks for nothing more. */
async function demandOf(token: string, method: string, path: string, body: unknown) {
  const answer = await callApi(url, method, path, { token, body });
  const challenged = answer.headers.get('www-authenticate') ?? '';
  if (!challenged.includes('insufficient_user_authentication')) return undefined;
  assert.equal(answer.status, 401);
  return challenged;
}

test('what changes how somebody signs in wants a sign-in of at most fifteen minutes (ASVS 7.5.1)', async () => {
  const token = await tokenOf(await addPerson(world));
  clock.advance(14 * MINUTE);
  const recent = await tokenOf(await addPerson(world));
  clock.advance(2 * MINUTE);

  for (const [method, path, body] of SENSITIVE) {
    const demand = await demandOf(token, method, path, body);
    assert.match(demand ?? '', /max_age="900"$/, path);
    assert.doesNotMatch(demand ?? '', /acr_values/);
  }
  assert.equal(await demandOf(recent, 'POST', '/me/mfa/totp/enroll', { name: 'Phone' }), undefined);
});

test('of who has a second factor it wants that too, and only of them', async () => {
  const person = await addPerson(world);
  const token = await tokenOf(person);
  const enroll = ['POST', '/me/mfa/totp/enroll', { name: 'Phone' }] as const;
  assert.equal(await demandOf(token, ...enroll), undefined);
  const app = await addApp(world, person);
  for (const [method, path, body] of SENSITIVE) {
    const demand = await demandOf(token, method, path, body);
    assert.ok(demand?.includes(`${BOTH}, max_age="900"`), `${path}: ${demand}`);
  }
  assert.equal((await callApi(url, 'GET', '/me', { token })).status, 200);
  const { challengeId } = await challenge(world, app);
  const { body } = await verify(world, challengeId, app.code());
  assert.equal(await demandOf(String(body.accessToken), ...enroll), undefined);
});

test('the class that an API asks for can be asked for at the sign-in (RFC 9470 4)', async () => {
  const person = await addProtected(world);
  const phr = await challenge(world, person, { acrValues: ['urn:gatehouse:acr:phr'] });
  // What is there is shown first; then a passkey is set up beside it.
  assert.deepEqual([phr.methods, phr.enroll], [['totp'], []]);
  const next = await verify(world, phr.challengeId, person.code());
  assert.equal(next.body.code, 'IDENT_MFA_REQUIRED');
  assert.deepEqual([next.body.methods, next.body.enroll], [[], ['webauthn']]);
  const fresh = await addPerson(world);
  const two = await challenge(world, fresh, { acrValues: ['urn:gatehouse:acr:2fa'] });
  assert.deepEqual([two.methods, two.enroll], [[], ['webauthn', 'totp']]);
  assert.equal(two.mayPostpone, false);
});
