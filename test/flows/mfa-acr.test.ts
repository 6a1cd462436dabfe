import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import { exchange } from '../helpers/openid.ts';
import {
  claimsOf,
  enterPassword,
  heading,
  type Opened,
  openFactor,
  openSignIn,
  pathOf,
  type Shown,
  stepOf,
} from './factor-pages-support.ts';
import {
  addApp,
  addPerson,
  addProtected,
  createMfaWorld,
  MINUTE,
  setTenant,
} from './mfa-support.ts';
import { basic, postForm } from './support.ts';

/** What a request asks of the sign-in: step-up of sessions that are there (RFC 9470 4, 5). */

const world = await createMfaWorld({}, Date.now() - 180 * MINUTE);
const { deps, url, clock, people } = world;
const acr = (name: string): string => `urn:gatehouse:acr:${name}`;
const essential = (value: string) => ({
  claims: JSON.stringify({ id_token: { acr: { essential: true, value } } }),
});

/** Somebody with an app whose browser has a session of one factor. */
async function openSession() {
  const bare = await addPerson(world);
  const opened = await openSignIn(world);
  await claimsOf(opened, await enterPassword(opened, bare));
  return { person: await addApp(world, bare), agent: opened.agent };
}

const showCode = ({ agent }: Pick<Opened, 'agent'>, page: Shown, code: string): Promise<Shown> =>
  agent.submit(page, '/second-factor/app', { code });

for (const [name, parameters] of [
  ['acr_values', { acr_values: acr('2fa') }],
  ['an essential claim', essential(acr('2fa'))],
] as const) {
  test(`a session of one factor is asked for the second and no more: ${name} (RFC 9470 4)`, async () => {
    const { person, agent } = await openSession();
    const before = await openSignIn(world, { agent });
    const first = await claimsOf(before, before.page);
    clock.advance(10 * MINUTE);
    const opened = await openSignIn(world, { agent, parameters });
    assert.equal(stepOf(opened.page), '/second-factor', heading(opened.page));
    // The page again has the same challenge; without an answer nothing is reached.
    const again = await agent.follow(`/interaction/${opened.uid}`);
    assert.equal(stepOf(again), '/second-factor');
    const silent = await openSignIn(world, {
      agent,
      parameters: { ...parameters, prompt: 'none' },
    });
    assert.equal(silent.page.url.searchParams.get('error'), 'login_required');
    const claims = await claimsOf(opened, await showCode(opened, again, person.code()));
    assert.deepEqual([claims.acr, claims.amr], [acr('2fa'), ['pwd', 'otp', 'mfa']]);
    // The older of both proofs is what may be too old for somebody else.
    assert.equal(claims.auth_time, first.auth_time);
    assert.equal(claims.sub, person.id);
    const later = await openSignIn(world, { agent, parameters });
    assert.equal((await claimsOf(later, later.page)).acr, acr('2fa'));
  });
}

test('a session that is too old for the request signs in anew, with both (max_age)', async () => {
  const { person, agent } = await openSession();
  clock.advance(10 * MINUTE);
  const parameters = { acr_values: acr('2fa'), max_age: '300' };
  const opened = await openSignIn(world, { agent, parameters });
  assert.match(opened.page.html, /name="password"/);
  const page = await enterPassword(opened, person);
  const claims = await claimsOf(opened, await showCode(opened, page, person.code()));
  assert.equal(claims.acr, acr('2fa'));
  assert.equal(claims.auth_time, Math.floor(clock.now() / 1_000));
});

test('the class is told as it was asked for, in ID and access tokens, refreshed ones too', async () => {
  const person = await addProtected(world);
  const client = await seedClient(deps, people.tenantId);
  const parameters = { acr_values: acr('1fa') };
  const opened = await openFactor(world, person, { client, parameters });
  const end = await showCode(opened, opened.page, person.code());
  const tokens = await exchange(opened.configuration, opened.request, end.url);
  assert.equal(tokens.claims()?.acr, acr('1fa'));
  assert.equal(decodeJwt(tokens.access_token).acr, acr('1fa'));
  const { body } = await postForm(
    `${url}/token`,
    { grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) },
    basic(client),
  );
  for (const token of [body.access_token, body.id_token]) {
    const { acr: told, amr } = decodeJwt(String(token));
    assert.deepEqual([told, amr], [acr('1fa'), ['pwd', 'otp', 'mfa']]);
  }
  // The session has what it has reached, whatever was told of it.
  const { agent } = opened;
  const both = await openSignIn(world, { agent, parameters: { acr_values: acr('2fa') } });
  assert.equal((await claimsOf(both, both.page)).acr, acr('2fa'));
  const either = await openSignIn(world, {
    agent,
    parameters: { acr_values: `${acr('phr')} ${acr('2fa')}` },
  });
  assert.equal((await claimsOf(either, either.page)).acr, acr('2fa'));
});

test('a client asks for it each time by default_acr_values; an essential claim says more', async () => {
  const client = await seedClient(deps, people.tenantId, {
    metadata: { default_acr_values: [acr('2fa')] },
  });
  const person = await addPerson(world);
  const opened = await openFactor(world, person, { client });
  assert.equal(stepOf(opened.page), '/set-up');
  const { agent } = opened;
  const plain = await openSignIn(world, { agent: (await openSession()).agent, client });
  assert.equal(stepOf(plain.page), '/second-factor');
  const unmet = await openSignIn(world, { agent, client, parameters: essential('urn:other:gold') });
  assert.equal(unmet.page.url.searchParams.get('error'), 'unmet_authentication_requirements');
});

test('who needs more than there is sets it up on the way, after showing what there is', async () => {
  const { person, agent } = await openSession();
  const opened = await openSignIn(world, { agent, parameters: { acr_values: acr('phr') } });
  assert.equal(stepOf(opened.page), '/second-factor');
  const page = await showCode(opened, opened.page, person.code());
  assert.match(pathOf(page), /\/set-up/);
  assert.match(page.html, /passkey/i);
});

test('somebody else can sign in instead of stepping up, and then all of it is due', async () => {
  const { agent } = await openSession();
  const other = await addProtected(world);
  const parameters = { acr_values: acr('2fa') };
  const opened = await openSignIn(world, { agent, parameters });
  const form = await agent.submit(opened.page, '/second-factor/leave', {});
  const page = await enterPassword({ agent, page: form }, other);
  assert.equal(stepOf(page), '/second-factor');
  const claims = await claimsOf(opened, await showCode(opened, page, other.code()));
  assert.deepEqual([claims.sub, claims.acr], [other.id, acr('2fa')]);
});

test('a tenant that demands a second factor demands it of its guests, signed in at home or not', async () => {
  const strict = await deps.tenants.create({ slug: 'strict', name: 'Strict Clinic' });
  await deps.tenants.updateSettings(strict.id, { mfaRequired: true });
  await setTenant(world, { mfaRememberDays: 30 });
  const client = await seedClient(deps, strict.id);
  const { person, agent } = await openSession();
  await deps.users.addToTenant(strict.id, person.id, []);
  const opened = await openSignIn(world, { agent, client });
  assert.equal(stepOf(opened.page), '/second-factor', heading(opened.page));
  const claims = await claimsOf(opened, await showCode(opened, opened.page, person.code()));
  assert.equal(claims.acr, acr('2fa'));
  const bare = await addPerson(world);
  await deps.users.addToTenant(strict.id, bare.id, []);
  const fresh = await openFactor(world, bare, { client });
  assert.equal(stepOf(fresh.page), '/set-up');
});
