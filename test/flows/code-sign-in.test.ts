import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeJwt } from 'jose';
import { login } from './auth-support.ts';
import {
  addPending,
  assertProblem,
  codeIn,
  countWork,
  createProofWorld,
  createQuietWorld,
  MINUTE,
  type ProofWorld,
  post,
  shapeOf,
  wrongCode,
} from './proof-support.ts';
import { bearer, eventsOf, getJson } from './support.ts';

const world = await createProofWorld();
const { deps, clock, mailbox, people } = world;
const { knex } = deps.postgres;
await deps.tenants.updateSettings(people.tenantId, { emailCodeSignIn: true });

const REQUEST = '/auth/otp/request';
const VERIFY = '/auth/otp/verify';
const ask = (identifier: string, tenant?: string) => post(world, REQUEST, { identifier, tenant });
const enter = (identifier: string, code: string, tenant?: string) =>
  post(world, VERIFY, { identifier, code, tenant });

let names = 0;
async function addMember(of: ProofWorld = world, changes: Record<string, unknown> = {}) {
  const email = `coder-${names++}@lotus.example`;
  const username = `coder${names}`;
  const tenantId = of.people.tenantId;
  const base = { tenantId, email, username, emailVerified: true, name: 'Phạm Dung' };
  const { id } = await of.deps.users.create({ ...base, ...changes });
  return { id, email, username };
}
const failuresOf = async (id: string) =>
  (await eventsOf(deps, 'identity.user.login_failed.v1'))
    .filter(({ subject }) => subject === id)
    .map(({ data }) => data.reason);

suite('signing in by a code', () => {
  test('ASVS 6.5.1: begins a session like any other sign-in, once for each code', async () => {
    const member = await addMember();
    assert.equal((await ask(member.email.toUpperCase())).status, 202);
    const code = codeIn(await mailbox.take(member.email));
    assertProblem(await enter(member.email, wrongCode(code)), 422, 'IDENT_TOKEN_SPENT');
    const tries = await Promise.all(Array.from({ length: 4 }, () => enter(member.email, code)));
    assert.deepEqual(tries.map(({ status }) => status).sort(), [200, 422, 422, 422]);
    const body = tries.find(({ status }) => status === 200)?.body ?? {};
    assert.deepEqual(decodeJwt(String(body.accessToken)).amr, ['otp']);
    assert.equal((body.user as { id: string }).id, member.id);
    const me = await getJson(`${world.url}/api/v1/me`, bearer(String(body.accessToken)));
    assert.equal(me.body.id, member.id);
    const refreshed = await post(world, '/auth/refresh', { refreshToken: body.refreshToken });
    assert.equal(refreshed.status, 200);
    const [event] = (await eventsOf(deps, 'identity.user.logged_in.v1')).filter(
      ({ subject }) => subject === member.id,
    );
    assert.deepEqual(event?.data.amr, ['otp']);
    assert.ok((await failuresOf(member.id)).every((reason) => reason === 'wrong_code'));
  });

  test('ASVS 6.5.5: the code lives 10 minutes', async () => {
    for (const [early, status] of [
      [1, 200],
      [0, 422],
    ] as const) {
      const member = await addMember();
      await ask(member.email);
      const code = codeIn(await mailbox.take(member.email));
      clock.advance(10 * MINUTE - early);
      assert.equal((await enter(member.email, code)).status, status);
    }
  });

  test('ASVS 6.6.3: 60 s between codes, 423 after five wrong tries, for 15 minutes', async () => {
    const member = await addMember();
    await ask(member.email);
    const soon = await ask(member.email);
    assertProblem(soon, 429, 'IDENT_RATE_LIMITED');
    assert.equal(soon.headers.get('retry-after'), '60');
    const code = codeIn(await mailbox.take(member.email));
    clock.advance(5 * MINUTE);
    for (let tries = 1; tries <= 5; tries++) {
      assertProblem(await enter(member.email, wrongCode(code, tries)), 422, 'IDENT_TOKEN_SPENT');
    }
    const locked = await enter(member.email, code);
    assertProblem(locked, 423, 'IDENT_LOCKED');
    assert.equal(locked.headers.get('retry-after'), '900');
    clock.advance(15 * MINUTE);
    await ask(member.email);
    const next = codeIn(await mailbox.take(member.email));
    assert.equal((await enter(member.email, next)).status, 200);
  });

  test('CVE-2026-9798: an account that failed passwords have closed opens by no code', async () => {
    const password = 'correct horse battery staple';
    const email = 'closed@lotus.example';
    const { tenantId } = people;
    const { id } = await deps.users.create({ tenantId, email, emailVerified: true }, password);
    await ask(email);
    const code = codeIn(await mailbox.take(email));
    // As ten wrong passwords do, without the cost of hashing them.
    const budget = { bucket: 'login-account', key: `user:${id}`, limit: 10 };
    const life = { windowMs: 15 * MINUTE, blockMs: 15 * MINUTE };
    for (let tries = 0; tries < 10; tries++) await deps.rateLimits.hit({ ...budget, ...life });
    assert.ok(await deps.signIn.isLocked(id));
    assertProblem(await enter(email, code), 423, 'IDENT_LOCKED');
    clock.advance(MINUTE);
    assert.equal((await ask(email)).status, 202);
    const other = await addMember();
    await ask(other.email);
    await mailbox.take(other.email);
    assert.equal(mailbox.mails.filter(({ to }) => to.includes(email)).length, 1, 'no second code');
    clock.advance(15 * MINUTE);
    await ask(email);
    assert.equal((await enter(email, codeIn(await mailbox.take(email)))).status, 200);
  });

  test('what is allowed is asked again when the code comes', async () => {
    const member = await addMember();
    const other = await addMember();
    const moved = await addMember();
    for (const { email } of [member, other, moved]) await ask(email);
    const codeOf = async ({ email }: { email: string }) => codeIn(await mailbox.take(email));
    const codes = [await codeOf(member), await codeOf(other), await codeOf(moved)] as const;
    await knex('users').where({ id: member.id }).update({ status: 'suspended' });
    assertProblem(await enter(member.email, codes[0]), 422, 'IDENT_TOKEN_SPENT');
    await deps.tenants.updateSettings(people.tenantId, { emailCodeSignIn: false });
    assertProblem(await enter(other.email, codes[1]), 422, 'IDENT_TOKEN_SPENT');
    await deps.tenants.updateSettings(people.tenantId, { emailCodeSignIn: true });
    await knex('users').where({ id: moved.id }).update({ email: 'elsewhere@lotus.example' });
    assertProblem(await enter(moved.email, codes[2]), 422, 'IDENT_TOKEN_SPENT');
    assert.deepEqual(await failuresOf(member.id), ['not_active']);
    assert.deepEqual(await failuresOf(other.id), ['no_code']);
    clock.advance(5 * MINUTE);
  });

  test('the tenant that is named decides whose code it is', async () => {
    const { id: tenantId } = await deps.tenants.create({ slug: 'orchid', name: 'Orchid' });
    await deps.tenants.updateSettings(tenantId, { emailCodeSignIn: true });
    const here = await addMember();
    await addMember(world, { tenantId, email: here.email });
    assert.equal((await ask(here.email)).status, 202, 'ambiguous: nobody is written to');
    clock.advance(MINUTE);
    await ask(here.email, 'orchid');
    const code = codeIn(await mailbox.take(here.email));
    for (const tenant of ['lotus', undefined, 'no-such-tenant']) {
      assertProblem(await enter(here.email, code, tenant), 422, 'IDENT_TOKEN_SPENT');
    }
    const { status, body } = await enter(here.email, code, 'orchid');
    assert.equal(status, 200);
    assert.equal(decodeJwt(String(body.accessToken)).tid, tenantId);
    clock.advance(5 * MINUTE);
  });

  test('one address of the network gets 60 codes in a quarter of an hour, whoever for', async () => {
    clock.advance(20 * MINUTE);
    for (let sent = 0; sent < 60; sent++) {
      if (sent % 20 === 0) clock.advance(MINUTE);
      assert.equal((await ask(`crowd-${sent}@lotus.example`)).status, 202);
    }
    const refused = await ask('crowd-60@lotus.example');
    assertProblem(refused, 429, 'IDENT_RATE_LIMITED');
    clock.advance(15 * MINUTE);
  });
});

suite('ASVS 6.3.8: who may sign in by a code is not told', () => {
  /** One identifier of each kind that gets no code, and one that does. */
  async function identifiersOf(of: ProofWorld) {
    const allowed = await addMember(of);
    const suspended = await addMember(of);
    await of.deps.postgres
      .knex('users')
      .where({ id: suspended.id })
      .update({ status: 'suspended' });
    const unproved = await addMember(of, { emailVerified: false });
    const pending = await addPending(of);
    const strict = await of.deps.tenants.create({ slug: 'strict', name: 'Strict' });
    const refused = await addMember(of, { tenantId: strict.id });
    const others = [suspended, unproved, pending, refused].map(({ email }) => email);
    return { allowed: allowed.email, others: [...others, 'nobody@lotus.example'] };
  }

  test('identifiers with and without one get the same answers, and no other mail', async () => {
    const { allowed, others } = await identifiersOf(world);
    const all = [allowed, ...others];
    const answers = {
      first: await Promise.all(all.map((identifier) => ask(identifier))),
      again: await Promise.all(all.map((identifier) => ask(identifier))),
      wrong: await Promise.all(all.map((identifier) => enter(identifier, '000000'))),
    };
    for (const group of Object.values(answers)) {
      for (const answer of group) assert.deepEqual(shapeOf(answer), shapeOf(group[0] ?? answer));
    }
    const statuses = Object.values(answers).map(([answer]) => answer?.status);
    assert.deepEqual(statuses, [202, 429, 422]);
    await mailbox.take(allowed);
    assert.ok(!mailbox.mails.some(({ to }) => others.some((one) => to.includes(one))));
    clock.advance(5 * MINUTE);
  });

  test('and cost the same work, to ask and to try', async () => {
    const quiet = await createQuietWorld();
    await quiet.deps.tenants.updateSettings(quiet.people.tenantId, { emailCodeSignIn: true });
    const { allowed, others } = await identifiersOf(quiet);
    const works = { ask: [] as unknown[], enter: [] as unknown[] };
    for (const identifier of [allowed, ...others]) {
      const asked = await countWork(quiet, () => post(quiet, REQUEST, { identifier }));
      const body = { identifier, code: '000000' };
      quiet.clock.advance(2 * MINUTE);
      const tried = await countWork(quiet, () => post(quiet, VERIFY, body));
      works.ask.push(asked);
      works.enter.push(tried);
    }
    for (const list of Object.values(works)) {
      for (const work of list) assert.deepEqual(work, list[0]);
    }
    assert.equal((works.ask[0] as { messages: number }).messages, 1);
  });
});

test('a password still signs in where codes do', async () => {
  const { accessToken } = await login(world);
  assert.deepEqual(decodeJwt(accessToken).amr, ['pwd']);
});
