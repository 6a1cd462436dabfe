import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createAuthenticator, type Lies } from '../../helpers/authenticator.ts';
import { BINDING, createPasskeyWorld, refusal } from './support.ts';

/** What WebAuthn Level 3, 7.1 asks of whoever takes a new credential. */

const world = await createPasskeyWorld();
const { webauthn, origin, clock, addUser, creationOptions, register, enrol, prove } = world;
const invalid = refusal('IDENT_VALIDATION');
const spent = refusal('IDENT_TOKEN_SPENT');

test('options ask for a verified, discoverable credential without attestation, by a handle that tells nothing', async () => {
  const user = await addUser();
  const options = await creationOptions(user);
  assert.equal(Buffer.from(options.challenge, 'base64url').length, 32);
  assert.equal(options.rp.id, 'localhost');
  assert.equal(options.rp.name, 'Lotus Health');
  assert.equal(options.attestation, 'none');
  assert.equal(options.authenticatorSelection.userVerification, 'required');
  assert.equal(options.authenticatorSelection.residentKey, 'required');
  assert.deepEqual(
    options.pubKeyCredParams.map(({ alg }) => alg),
    [-7, -8, -257],
  );
  assert.equal(
    options.user.id,
    Buffer.from(user.id.replaceAll('-', ''), 'hex').toString('base64url'),
  );
});

test('a challenge is kept under a digest only, five minutes long', async () => {
  const user = await addUser();
  const { challenge } = await creationOptions(user);
  const keys = await world.deps.redis.keys(`${world.config.REDIS_PREFIX}webauthn:*`);
  const values = await Promise.all(
    keys.map((key) => world.deps.redis.get(key.slice(world.config.REDIS_PREFIX.length))),
  );
  assert.ok(keys.length > 0);
  for (const text of [...keys, ...values]) {
    assert.ok(!text?.includes(challenge));
    assert.ok(!text?.includes(user.id));
  }
});

test('a registered credential is listed, told of by an event, and signs its owner in', async () => {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
    const { user, device, authenticator } = await enrol({ algorithm });
    assert.deepEqual(await webauthn.list(user), [authenticator]);
    assert.equal(authenticator.type, 'webauthn');
    assert.equal(authenticator.name, 'Passkey');
    const [event] = (await world.eventsOf(user)).slice(-1);
    assert.equal(event?.type, 'identity.user.mfa_enrolled.v1');
    assert.deepEqual(event?.data, {
      userId: user.id,
      authenticatorId: authenticator.id,
      type: 'webauthn',
    });
    const proof = await prove(null, device);
    assert.deepEqual(proof, {
      userId: user.id,
      credentialId: authenticator.id,
      amr: ['webauthn', 'hwk', 'user'],
    });
  }
});

test('a credential is called what the person says, else by its keeper', async () => {
  const user = await addUser();
  const named = createAuthenticator({ origin });
  const response = named.create(await creationOptions(user));
  const first = await webauthn.register(user, BINDING, { name: ' Blue key ', response });
  assert.equal(first.name, 'Blue key');
  const aaguid = Buffer.from('d548826e79b4db40a3d811116f7e8349', 'hex');
  const second = await register(user, createAuthenticator({ origin }), { aaguid });
  assert.equal(second.name, 'Bitwarden');
  const rename = (owner: typeof user, name: string) =>
    world.deps.postgres.knex.transaction((trx) => webauthn.rename(trx, owner, second.id, name));
  assert.equal(await rename(user, 'Vault'), true);
  assert.equal(await rename(await addUser(), 'Mine'), false);
  assert.deepEqual(
    (await webauthn.list(user)).map(({ name }) => name),
    ['Blue key', 'Vault'],
  );
});

const lies: Record<string, Lies> = {
  'another origin': { origin: 'https://login.example.net' },
  'another domain': { rpId: 'example.net' },
  'the answer of a sign-in': { type: 'webauthn.get' },
  'a frame of another origin': { crossOrigin: true },
  'nobody present': { isPresent: false },
  'nobody verified': { isVerified: false },
  'backed up, yet never to be': { isSyncedType: false, isBackedUp: true },
  'attestation by certificates': {
    format: 'packed',
    statement: new Map<string, never>([['x5c', Buffer.alloc(3) as never]]),
  },
  'attestation of a TPM': { format: 'tpm' },
  'a statement within none': { statement: new Map([['sig', Buffer.alloc(3)]]) },
  'an algorithm that was not offered': {
    cose: new Map<number, number>([
      [1, 2],
      [3, -35],
      [-1, 2],
    ]),
  },
};

for (const [what, lie] of Object.entries(lies)) {
  test(`a registration that shows ${what} is refused (WebAuthn Level 3, 7.1)`, async () => {
    const user = await addUser();
    await assert.rejects(register(user, createAuthenticator({ origin }), lie), invalid);
    assert.deepEqual(await webauthn.list(user), []);
  });
}

test('a key of one algorithm does not stand for another, and broken or short keys stand for none', async () => {
  const user = await addUser();
  const point = randomBytes(32);
  const keys: ReadonlyMap<number, number | Buffer>[] = [
    // An RSA key under the name of ES256, and the other way round.
    new Map<number, number | Buffer>([
      [1, 3],
      [3, -7],
      [-1, randomBytes(256)],
      [-2, Buffer.from([1, 0, 1])],
    ]),
    new Map<number, number | Buffer>([
      [1, 2],
      [3, -257],
      [-1, 1],
      [-2, point],
      [-3, point],
    ]),
    // Not on the curve.
    new Map<number, number | Buffer>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, point],
      [-3, point],
    ]),
    // Another curve.
    new Map<number, number | Buffer>([
      [1, 2],
      [3, -7],
      [-1, 2],
      [-2, point],
      [-3, point],
    ]),
    new Map<number, number | Buffer>([
      [1, 1],
      [3, -8],
      [-1, 6],
    ]),
  ];
  for (const cose of keys) {
    await assert.rejects(register(user, createAuthenticator({ origin }), { cose }), invalid);
  }
  const short = createAuthenticator({ origin, algorithm: 'RS256', modulusLength: 1_024 });
  await assert.rejects(register(user, short), invalid);
  assert.deepEqual(await webauthn.list(user), []);
});

test('a challenge takes one answer, in five minutes, of its user, ceremony and kind (ASVS 6.7.2)', async () => {
  const user = await addUser();
  const other = await addUser();
  const device = createAuthenticator({ origin });
  const tryWith = (who: typeof user, binding: string, response: unknown) =>
    webauthn.register(who, binding, { name: '', response });

  const taken = device.create(await creationOptions(user));
  await tryWith(user, BINDING, taken);
  await assert.rejects(tryWith(user, BINDING, taken), spent);

  const elsewhere = createAuthenticator({ origin }).create(await creationOptions(user));
  await assert.rejects(tryWith(user, 'test:2', elsewhere), spent);
  // Looked at once: the right ceremony comes too late for it.
  await assert.rejects(tryWith(user, BINDING, elsewhere), spent);

  const anothers = createAuthenticator({ origin }).create(await creationOptions(user));
  await assert.rejects(tryWith(other, BINDING, anothers), spent);

  const invented = await creationOptions(user);
  const challenge = randomBytes(32).toString('base64url');
  const forged = createAuthenticator({ origin }).create(invented, { challenge });
  await assert.rejects(tryWith(user, BINDING, forged), spent);

  const ofSignIn = await webauthn.assertionOptions(user, BINDING);
  const mixed = createAuthenticator({ origin }).create(invented, { challenge: ofSignIn.challenge });
  await assert.rejects(tryWith(user, BINDING, mixed), spent);

  const late = createAuthenticator({ origin }).create(await creationOptions(user));
  clock.advance(5 * 60_000);
  await assert.rejects(tryWith(user, BINDING, late), spent);
  assert.equal((await webauthn.list(user)).length, 1);
});

test('of answers in parallel to one challenge, one is taken', async () => {
  const user = await addUser();
  const options = await creationOptions(user);
  const answers = Array.from({ length: 5 }, () => createAuthenticator({ origin }).create(options));
  const results = await Promise.allSettled(
    answers.map((response) => webauthn.register(user, BINDING, { name: '', response })),
  );
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal((await webauthn.list(user)).length, 1);
});

test('a credential belongs to one user: whoever has it keeps it (7.1 step 27)', async () => {
  const { user, device } = await enrol();
  const { excludeCredentials } = await creationOptions(user);
  assert.deepEqual(
    excludeCredentials.map(({ id, transports }) => ({ id, transports })),
    [{ id: device.id, transports: ['internal'] }],
  );
  await assert.rejects(register(user, device), invalid);
  const thief = await addUser();
  const copy = createAuthenticator({ origin, credentialId: device.credentialId });
  await assert.rejects(register(thief, copy), invalid);
  assert.deepEqual(await webauthn.list(thief), []);
  assert.equal((await prove(user, { ...device, get: device.get }))?.userId, user.id);
});

test('a user has five credentials at most, however many are registered at once', async () => {
  const user = await addUser();
  const all = await Promise.all(
    Array.from({ length: 7 }, async () => {
      const options = await creationOptions(user);
      return createAuthenticator({ origin }).create(options);
    }),
  );
  const results = await Promise.allSettled(
    all.map((response) => webauthn.register(user, BINDING, { name: '', response })),
  );
  const refused = results.filter((result) => result.status === 'rejected');
  assert.deepEqual(
    refused.map(({ reason }) => reason.code),
    ['IDENT_WEBAUTHN_LIMIT', 'IDENT_WEBAUTHN_LIMIT'],
  );
  const listed = await webauthn.list(user);
  assert.equal(listed.length, 5);
  await assert.rejects(creationOptions(user), refusal('IDENT_WEBAUTHN_LIMIT'));
  const { knex } = world.deps.postgres;
  const [first] = listed;
  assert.ok(first);
  assert.equal(await knex.transaction((trx) => webauthn.remove(trx, user, first.id, 'user')), true);
  await enrolOne(user);
  assert.equal((await webauthn.list(user)).length, 5);
});

const enrolOne = (user: Awaited<ReturnType<typeof addUser>>) =>
  register(user, createAuthenticator({ origin }));

test('credentials are taken away by their owner or an administrator, with an event for each', async () => {
  const { user, device, authenticator } = await enrol();
  await enrolOne(user);
  const { knex } = world.deps.postgres;
  const stranger = await addUser();
  const remove = (who: typeof user, id: string) =>
    knex.transaction((trx) => webauthn.remove(trx, who, id, 'user'));
  assert.equal(await remove(stranger, authenticator.id), false);
  assert.equal(await remove({ ...user, tenantId: stranger.id }, authenticator.id), false);
  assert.equal(await remove(user, 'not-an-id'), false);
  assert.equal(await remove(user, authenticator.id), true);
  assert.equal(await prove(null, device), undefined);
  assert.equal(await knex.transaction((trx) => webauthn.removeAll(trx, user, 'administrator')), 1);
  assert.deepEqual(await webauthn.list(user), []);
  const removed = (await world.eventsOf(user)).filter(
    ({ type }) => type === 'identity.user.mfa_removed.v1',
  );
  assert.deepEqual(
    removed.map(({ data }) => (data as { by: string }).by),
    ['user', 'administrator'],
  );
});

test('an account that was erased gets no credential any more', async () => {
  const user = await addUser();
  const response = createAuthenticator({ origin }).create(await creationOptions(user));
  await world.deps.lifecycle.erase({ tenantId: user.tenantId, userId: user.id });
  await assert.rejects(webauthn.register(user, BINDING, { name: '', response }), spent);
});

test('answers that are none are refused as such, whatever they are', async () => {
  const user = await addUser();
  const good = createAuthenticator({ origin }).create(await creationOptions(user));
  const odd: unknown[] = [
    undefined,
    null,
    'text',
    [],
    {},
    { ...good, id: '' },
    { ...good, type: 'password' },
    { ...good, response: { ...good.response, clientDataJSON: 'bm90IGpzb24' } },
    { ...good, response: { ...good.response, clientDataJSON: 'bnVsbA' } },
    { ...good, response: { ...good.response, attestationObject: 'A'.repeat(30_000) } },
    { ...good, id: 'A'.repeat(2_000), rawId: 'A'.repeat(2_000) },
  ];
  for (const response of odd) {
    await assert.rejects(webauthn.register(user, BINDING, { name: '', response }), invalid);
  }
});

test('ids that differ between the answer and what was signed are refused', async () => {
  const user = await addUser();
  const good = createAuthenticator({ origin }).create(await creationOptions(user));
  const id = randomBytes(32).toString('base64url');
  const response = { ...good, id, rawId: id };
  await assert.rejects(webauthn.register(user, BINDING, { name: '', response }), invalid);
});
