import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHEAP_HASHES, callApi } from '../flows/auth-support.ts';
import { addressesIn, TRUSTING } from '../flows/sign-in-support.ts';
import { addUser, createWorld } from '../flows/support.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';

/**
 * Whoever was let in a moment before the password was changed, or the account was
 * closed, gets no session after it: all sessions were ended, and this one is one
 * of them (ASVS 7.4.2, 7.4.3).
 */

const clock = createFakeClock();
const world = await createWorld({
  settings: { ...CHEAP_HASHES, ...TRUSTING },
  overrides: { clock },
});
const { deps, people, url } = world;
const { tenantId } = people;
const newAddress = addressesIn('203.0.113');

type Person = Awaited<ReturnType<typeof addUser>>;

const changes: Record<string, (person: Person) => Promise<unknown>> = {
  'another password': async ({ id }) => {
    // Passwords are told apart by when they were set.
    clock.advance(1);
    await deps.users.setPassword(tenantId, id, 'slow rivers under bridges');
    await deps.sessions.endAllOf(id, { reason: 'password_changed' });
  },
  'a suspension': ({ id }) => deps.lifecycle.suspend({ tenantId, userId: id }),
  'an erasure': ({ id }) => deps.lifecycle.erase({ tenantId, userId: id }),
};

const api = ({ identifier, password }: Person) =>
  callApi(url, 'POST', '/auth/login', {
    body: { identifier, password },
    headers: { 'x-forwarded-for': newAddress() },
  });

/** Runs `work` when the next password has been found right, before anybody is told. */
function afterNextProof(work: () => Promise<unknown>): void {
  const { passwords } = deps;
  const { verify } = passwords;
  passwords.verify = async (...given) => {
    passwords.verify = verify;
    const isRight = await verify(...given);
    await work();
    return isRight;
  };
}

let count = 0;
const addPerson = () => addUser(world, `closing-${count++}`);

/** Signs in on the pages, and makes the change before the redirect is followed. */
async function assertNoSession(change: (person: Person) => Promise<unknown>): Promise<void> {
  const person = await addPerson();
  const configuration = await discover(url, world.client);
  const request = await authorizationRequest(configuration, world.client.redirectUri);
  const agent = createUserAgent(url);
  const page = await agent.follow(request.url);
  const { action, fields } = findForm(page, '/sign-in');
  const { identifier, password } = person;
  const body = new URLSearchParams({ ...fields, identifier, password });
  const letIn = await agent.fetch(action, { method: 'POST', body });
  assert.equal(letIn.status, 303, 'the password was right');
  await change(person);
  const end = await agent.follow(new URL(letIn.headers.get('location') ?? '', url));
  assert.equal(end.url.searchParams.get('code'), null, end.url.href);
  assert.ok(end.response.status < 500, `${end.response.status}`);
  assert.deepEqual(await deps.sessions.list(tenantId, person.id), []);
}

for (const [name, change] of Object.entries(changes)) {
  test(`API: ${name} between the proof and the session leaves no session`, async () => {
    const person = await addPerson();
    afterNextProof(() => change(person));
    const answer = await api(person);
    assert.equal(answer.status, 401);
    assert.equal(answer.body.code, 'IDENT_INVALID_CREDENTIALS');
    assert.deepEqual(await deps.sessions.list(tenantId, person.id), []);
    assert.deepEqual(await deps.sessions.listGrants(person.id), []);
  });

  test(`pages: ${name} between the proof and the redirect that follows it leaves no session`, () =>
    assertNoSession(change));
}

test('pages: a sign-out everywhere between the proof and the redirect leaves no session (ASVS 7.4.1)', () =>
  assertNoSession(({ id }) => {
    // Sign-ins are told apart by the second.
    clock.advance(1_000);
    return deps.sessions.endAllOf(id, { reason: 'logout_all' });
  }));

test('pages: a reset of second factors between the proof and the redirect leaves no session (ASVS 6.4.4)', () =>
  assertNoSession(({ id }) => deps.mfaReset.reset(tenantId, id)));

test('of sign-ins at the same time as a change, those let in by the old password hold no session after it', async () => {
  const person = await addPerson();
  const signIns = Array.from({ length: 8 }, () => api(person));
  const changed = changes['another password']?.(person);
  const answers = await Promise.all(signIns);
  await changed;
  assert.ok(answers.every(({ status }) => status === 200 || status === 401));
  assert.deepEqual(await deps.sessions.list(tenantId, person.id), []);
});

test('a hash that was only made again is no change: the sign-in goes on', async () => {
  const person = await addPerson();
  const [found] = await deps.users.findByIdentifier(null, {
    scheme: 'email',
    value: person.identifier,
  });
  assert.ok(found);
  const again = await deps.passwords.hash(person.password);
  afterNextProof(() => deps.users.replaceHash(found, again));
  assert.equal((await api(person)).status, 200);
});
