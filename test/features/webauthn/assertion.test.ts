import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createAuthenticator, type Lies } from '../../helpers/authenticator.ts';
import { BINDING, createPasskeyWorld } from './support.ts';

/** What WebAuthn Level 3, 7.2 asks of whoever takes an assertion. */

const world = await createPasskeyWorld({
  WEBAUTHN_ORIGINS:
    'https://app.example.org,android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
});
const { webauthn, origin, clock, addUser, register, enrol, prove, eventsOf, lastReason } = world;

test('a second factor names the credentials of its user, usernameless sign-in none', async () => {
  const { user, device } = await enrol();
  const options = await webauthn.assertionOptions(user, BINDING);
  assert.deepEqual(
    options.allowCredentials.map(({ id }) => id),
    [device.id],
  );
  assert.equal(options.userVerification, 'required');
  const open = await webauthn.assertionOptions(null, BINDING);
  assert.deepEqual(open.allowCredentials, []);
  assert.notEqual(open.challenge, options.challenge);
});

test('a use is noted with its time and backup state; a synced key is told as swk (RFC 8176)', async () => {
  const { user, device } = await enrol({ isSyncedType: true });
  clock.advance(1_000);
  const proof = await prove(user, device, { isBackedUp: true });
  assert.deepEqual(proof?.amr, ['webauthn', 'swk', 'user']);
  const [listed] = await webauthn.list(user);
  assert.equal(listed?.isBackedUp, true);
  assert.equal(listed?.lastUsedAt?.getTime(), clock.now());
  await prove(user, device, { isBackedUp: false });
  assert.equal((await webauthn.list(user))[0]?.isBackedUp, false);
});

test('pages of other origins that the operator names may be used, and apps', async () => {
  const { user, device } = await enrol();
  for (const named of world.config.WEBAUTHN_ORIGINS) {
    assert.ok(await prove(user, device, { origin: named }), named);
  }
});

test('browsers are told which pages of other domains may use passkeys of this one (Level 3, 5.11)', async () => {
  const answer = await fetch(`${origin}/.well-known/webauthn`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  assert.deepEqual(await answer.json(), { origins: [origin, 'https://app.example.org'] });
});

const lies: Record<string, Lies> = {
  'another origin': { origin: 'https://login.example.net' },
  'the origin of a subdomain': { origin: 'https://evil.app.example.org' },
  'another domain': { rpId: 'example.net' },
  'the answer of a registration': { type: 'webauthn.create' },
  'a frame of another origin': { crossOrigin: true, topOrigin: 'https://app.example.org' },
  'an invented challenge': { challenge: randomBytes(32).toString('base64url') },
  'nobody present': { isPresent: false },
  'nobody verified': { isVerified: false },
  'another backup eligibility': { isSyncedType: true },
  'backed up, yet never to be': { isBackedUp: true },
  'the handle of nobody': { userHandle: randomBytes(16).toString('base64url') },
};

for (const [what, lie] of Object.entries(lies)) {
  test(`an assertion that shows ${what} proves nothing (WebAuthn Level 3, 7.2)`, async () => {
    const { user, device } = await enrol();
    assert.equal(await prove(user, device, lie), undefined);
    assert.equal(await prove(null, device, lie), undefined);
    // And does no harm: whoever knows an id must not be able to disable a credential.
    assert.ok(await prove(user, device));
  });
}

test('a signature that was tampered with proves nothing, nor does one of another key', async () => {
  const { user, device } = await enrol();
  const good = device.get(await webauthn.assertionOptions(user, BINDING));
  const bytes = Buffer.from(good.response.signature, 'base64url');
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  const response = {
    ...good,
    response: { ...good.response, signature: bytes.toString('base64url') },
  };
  assert.equal(await webauthn.assert(user, BINDING, response), undefined);
  for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
    const { credentialId } = device;
    const forger = createAuthenticator({ origin, algorithm, credentialId, counter: 900 });
    const lie = { userHandle: device.handle };
    assert.equal(await prove(user, forger, lie), undefined);
  }
  assert.ok(await prove(user, device));
});

test('an assertion is good once: a replay proves nothing, and nor do copies in parallel', async () => {
  const { user, device } = await enrol();
  const response = device.get(await webauthn.assertionOptions(user, BINDING));
  const results = await Promise.all(
    Array.from({ length: 5 }, () => webauthn.assert(user, BINDING, response)),
  );
  assert.equal(results.filter(Boolean).length, 1);
  assert.equal(await webauthn.assert(user, BINDING, response), undefined);
  assert.match(lastReason(), /challenge/);
});

test('a challenge is good for its ceremony, user and kind only, and five minutes (ASVS 6.7.2)', async () => {
  const { user, device } = await enrol();
  const answer = async (whose: typeof user | null, binding = BINDING) =>
    device.get(await webauthn.assertionOptions(whose, binding));
  assert.equal(await webauthn.assert(user, 'test:2', await answer(user)), undefined);
  assert.equal(await webauthn.assert(user, BINDING, await answer(null)), undefined);
  assert.equal(await webauthn.assert(null, BINDING, await answer(user)), undefined);
  const ofCreation = await world.creationOptions(user);
  const mixed = device.get({ challenge: ofCreation.challenge, rpId: 'localhost' });
  assert.equal(await webauthn.assert(user, BINDING, mixed), undefined);
  const late = await answer(user);
  clock.advance(5 * 60_000);
  assert.equal(await webauthn.assert(user, BINDING, late), undefined);
  const inTime = await answer(user);
  clock.advance(5 * 60_000 - 1);
  assert.ok(await webauthn.assert(user, BINDING, inTime));
});

test('the credential of another user proves nothing about this one', async () => {
  const mine = await enrol();
  const theirs = await enrol();
  assert.equal(await prove(mine.user, theirs.device), undefined);
  const handle = mine.device.handle;
  assert.equal(await prove(null, theirs.device, { userHandle: handle }), undefined);
  assert.equal(await prove(mine.user, theirs.device, { userHandle: handle }), undefined);
  assert.equal(await prove({ ...mine.user, tenantId: randomUuid() }, mine.device), undefined);
});

const randomUuid = () => crypto.randomUUID();

test('without a user the handle names one, so that it has to be there; with one it may be missing', async () => {
  const { user, device } = await enrol();
  assert.equal(await prove(null, device, { userHandle: null }), undefined);
  assert.ok(await prove(user, device, { userHandle: null }));
});

test('a counter that does not grow disables the credential, once, and tells of it (6.1.1)', async () => {
  for (const counter of [3, 5]) {
    const { user, device, authenticator } = await enrol({ counter: 5 });
    assert.ok(await prove(user, device, { counter: 6 }));
    assert.ok(await prove(user, device, { counter: 9 }));
    const copies = await Promise.all([
      prove(user, device, { counter: counter === 3 ? 9 : counter }),
      prove(user, device, { counter: 1 }),
    ]);
    assert.deepEqual(copies, [undefined, undefined]);
    // Whichever holds the key: it opens nothing any more.
    assert.equal(await prove(user, device, { counter: 100 }), undefined);
    assert.equal(lastReason(), 'the credential is disabled');
    const [listed] = await webauthn.list(user);
    assert.equal(listed?.isDisabled, true);
    assert.deepEqual((await webauthn.assertionOptions(user, BINDING)).allowCredentials, []);
    const events = (await eventsOf(user)).slice(-2);
    assert.deepEqual(
      events.map(({ type, data }) => ({ type, data })),
      [
        {
          type: 'identity.user.mfa_removed.v1',
          data: {
            userId: user.id,
            authenticatorId: authenticator.id,
            type: 'webauthn',
            by: 'system',
          },
        },
        {
          type: 'identity.user.security_incident.v1',
          data: {
            userId: user.id,
            kind: 'authenticator_cloned',
            clientId: null,
            sessionId: null,
          },
        },
      ],
    );
  }
});

test('a counter that falls back to none is one that went backwards; none at all stays usable', async () => {
  const counting = await enrol({ counter: 5 });
  assert.equal(await prove(counting.user, counting.device, { counter: 0 }), undefined);
  assert.equal((await webauthn.list(counting.user))[0]?.isDisabled, true);
  const { user, device } = await enrol({ counter: 0 });
  for (let use = 0; use < 3; use += 1) assert.ok(await prove(user, device));
});

test('of two assertions with one counter, one is taken', async () => {
  const { user, device } = await enrol({ counter: 5 });
  const answers = await Promise.all(
    [1, 2].map(async () =>
      device.get(await webauthn.assertionOptions(user, BINDING), { counter: 7 }),
    ),
  );
  const results = await Promise.all(answers.map((one) => webauthn.assert(user, BINDING, one)));
  assert.equal(results.filter(Boolean).length, 1);
});

test('answers that are none prove nothing, whatever they are', async () => {
  const { user, device } = await enrol();
  const good = device.get(await webauthn.assertionOptions(user, BINDING));
  const odd: unknown[] = [
    undefined,
    null,
    7,
    [],
    {},
    { ...good, rawId: 'AAAA' },
    { ...good, id: 'AAAA', rawId: 'AAAA' },
    { ...good, response: { ...good.response, authenticatorData: 'AAAA' } },
    { ...good, response: { ...good.response, signature: '+/=' } },
    { ...good, response: { ...good.response, clientDataJSON: 'e30' } },
  ];
  for (const response of odd) {
    assert.equal(await webauthn.assert(user, BINDING, response), undefined);
  }
});

test('several credentials of a user work beside each other', async () => {
  const { user, device } = await enrol();
  const second = createAuthenticator({ origin });
  await register(user, second);
  assert.ok(await prove(user, device));
  assert.ok(await prove(user, second));
  assert.equal((await webauthn.list(await addUser())).length, 0);
});
