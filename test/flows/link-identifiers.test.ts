import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { callApi, login } from './auth-support.ts';
import {
  assertProblem,
  codeIn,
  createProofWorld,
  HOUR,
  MINUTE,
  post,
  shapeOf,
  wrongCode,
} from './proof-support.ts';
import { bearer, becomesTrue, eventsOf, getJson } from './support.ts';

const world = await createProofWorld();
const { deps, clock, mailbox, people } = world;
const { knex } = deps.postgres;

let names = 0;
/** A user who has just signed in by the API. */
async function addSignedIn(changes: { emailVerified?: boolean } = {}) {
  const email = `member-${names++}@lotus.example`;
  const password = 'correct horse battery staple';
  const { id } = await deps.users.create(
    { tenantId: people.tenantId, email, emailVerified: true, name: 'Lê Chi', ...changes },
    password,
  );
  const user = { id, email, username: '', password };
  const { accessToken } = await login({ ...world, people: { ...people, user } });
  return { id, email, token: accessToken };
}
type Member = Awaited<ReturnType<typeof addSignedIn>>;

const ask = (email: string, { token }: Pick<Member, 'token'>) =>
  post(world, '/me/link/email', { email }, token);
const prove = (email: string, code: string, { token }: Pick<Member, 'token'>) =>
  post(world, '/me/link/email/verify', { email, code }, token);
const emailOf = async (id: string) => (await knex('users').where({ id }).first('email')).email;
const changesOf = async (id: string) =>
  (await eventsOf(deps))
    .filter(({ subject, type }) => subject === id && !/logged_in|session|registered/.test(type))
    .map(({ type, data }) => [type, data]);

suite('another e-mail address', () => {
  test('ASVS 6.3.7: it is proved, takes the place of the old one, and that one is told', async () => {
    const member = await addSignedIn();
    assert.equal((await ask('New.Chi@lotus.example', member)).status, 202);
    assert.equal(await emailOf(member.id), member.email, 'nothing changes before the proof');
    const code = codeIn(await mailbox.take('New.Chi@lotus.example'));
    assertProblem(
      await prove('new.chi@lotus.example', wrongCode(code), member),
      422,
      'IDENT_TOKEN_SPENT',
    );
    assert.equal((await prove('New.Chi@lotus.example', code, member)).status, 204);
    const me = await getJson(`${world.url}/api/v1/me`, bearer(member.token));
    assert.deepEqual([me.body.email, me.body.emailVerified], ['New.Chi@lotus.example', true]);
    assertProblem(await prove('New.Chi@lotus.example', code, member), 422, 'IDENT_TOKEN_SPENT');
    assert.deepEqual(await changesOf(member.id), [
      ['identity.user.email_verified.v1', { userId: member.id, initial: false }],
      ['identity.user.profile_updated.v1', { userId: member.id, changed: ['email'] }],
    ]);
    const stored = await knex('former_addresses').where({ user_id: member.id });
    assert.equal(stored.length, 1);
    assert.ok(!stored[0].sealed.toString().includes(member.email), 'sealed until then');
    await deps.outbox.drain();
    const notice = await mailbox.take(member.email);
    assert.ok(!notice.text.includes('New.Chi'), 'the old address is not told the new one');
    const isForgotten = async () =>
      (await knex('former_addresses').where({ user_id: member.id })).length === 0;
    assert.ok(await becomesTrue(isForgotten, 30_000), 'the old address is kept until it was told');
  });

  test('links that were sent to the old address end with it', async () => {
    const member = await addSignedIn({ emailVerified: false });
    await post(world, '/auth/verify-email/request', { email: member.email });
    const link = /token=([\w-]+)/.exec((await mailbox.take(member.email)).text)?.[1];
    await ask('moved@lotus.example', member);
    const code = codeIn(await mailbox.take('moved@lotus.example'));
    assert.equal((await prove('moved@lotus.example', code, member)).status, 204);
    assertProblem(
      await post(world, '/auth/verify-email', { token: link }),
      422,
      'IDENT_TOKEN_SPENT',
    );
    await deps.outbox.drain();
    const isTold = mailbox.mails.filter(({ to }) => to.includes(member.email)).length;
    assert.equal(
      isTold,
      1,
      'an address that was never proved may be a stranger’s: it gets no notice',
    );
  });

  test('ASVS 6.3.8: that somebody else has it is told to who proves to read its mail, and not before', async () => {
    const member = await addSignedIn();
    const other = await addSignedIn();
    const [taken, free] = [await ask(other.email, member), await ask('free@lotus.example', other)];
    assert.deepEqual(shapeOf(taken), shapeOf(free));
    const code = codeIn(await mailbox.take(other.email));
    assertProblem(await prove(other.email, code, member), 409, 'IDENT_EMAIL_DUPLICATE');
    assert.equal(await emailOf(member.id), member.email);
    assert.equal((await changesOf(member.id)).length, 0);
  });

  test('a code proves one address for one person', async () => {
    const member = await addSignedIn();
    const other = await addSignedIn();
    await ask('mine@lotus.example', member);
    const code = codeIn(await mailbox.take('mine@lotus.example'));
    assertProblem(await prove('yours@lotus.example', code, member), 422, 'IDENT_TOKEN_SPENT');
    assertProblem(await prove('mine@lotus.example', code, other), 422, 'IDENT_TOKEN_SPENT');
    const asVerification = { email: 'mine@lotus.example', code };
    assertProblem(
      await post(world, '/auth/verify-email', asVerification),
      422,
      'IDENT_TOKEN_SPENT',
    );
    const tries = await Promise.all(
      Array.from({ length: 4 }, () => prove('mine@lotus.example', code, member)),
    );
    assert.deepEqual(tries.map(({ status }) => status).sort(), [204, 422, 422, 422]);
  });

  test('ASVS 6.6.3: one code a minute, five tries, ten codes in a day for one address whoever asks', async () => {
    const member = await addSignedIn();
    await ask('slow@lotus.example', member);
    const soon = await ask('other@lotus.example', member);
    assertProblem(soon, 429, 'IDENT_RATE_LIMITED');
    assert.equal(soon.headers.get('retry-after'), '60');
    const code = codeIn(await mailbox.take('slow@lotus.example'));
    for (let tries = 1; tries <= 5; tries++) {
      const wrong = await prove('slow@lotus.example', wrongCode(code, tries), member);
      assertProblem(wrong, 422, 'IDENT_TOKEN_SPENT');
    }
    assertProblem(await prove('slow@lotus.example', code, member), 423, 'IDENT_LOCKED');
    const askers = [await addSignedIn(), await addSignedIn()];
    const statuses: number[] = [];
    for (let round = 0; round < 6; round++) {
      for (const asker of askers) statuses.push((await ask('bombed@lotus.example', asker)).status);
      clock.advance(MINUTE);
    }
    assert.deepEqual(statuses, [...Array(10).fill(202), 429, 429]);
  });

  test('ASVS 7.5.1: a sign-in older than 15 minutes is not enough (RFC 9470)', async () => {
    const member = await addSignedIn();
    clock.advance(15 * MINUTE + 1_000);
    // An access token lives as long; a refreshed one has the old time of sign-in.
    const session = await login({
      ...world,
      people: { ...people, user: { ...people.user } },
    });
    clock.advance(14 * MINUTE);
    const fresh = await callApi(world.url, 'POST', '/auth/refresh', {
      body: { refreshToken: session.refreshToken },
    });
    clock.advance(2 * MINUTE);
    const token = String(fresh.body.accessToken);
    for (const [path, body] of [
      ['/me/link/email', { email: 'late@lotus.example' }],
      ['/me/link/email/verify', { email: 'late@lotus.example', code: '123456' }],
      ['/me/link/phone', { phone: '+84901112233' }],
      ['/me/link/phone/verify', { phone: '+84901112233', code: '123456' }],
    ] as const) {
      const refused = await post(world, path, body, token);
      assert.equal(refused.status, 401, path);
      const challenge = refused.headers.get('www-authenticate') ?? '';
      assert.match(challenge, /insufficient_user_authentication/);
      assert.match(challenge, /max_age="?900/);
    }
    assertProblem(await ask('late@lotus.example', member), 401, 'IDENT_UNAUTHENTICATED');
  });

  test('CVE-2025-61928: neither without a token, nor for somebody else', async () => {
    const bare = await post(world, '/me/link/email', { email: 'x@lotus.example' });
    assertProblem(bare, 401, 'IDENT_UNAUTHENTICATED');
    const body = { email: 'x@lotus.example', userId: people.user.id };
    const member = await addSignedIn();
    assertProblem(await post(world, '/me/link/email', body, member.token), 400, 'IDENT_VALIDATION');
  });
});

test('what is left of a notice that nobody could be told goes after a week', async () => {
  const member = await addSignedIn();
  await ask('gone@lotus.example', member);
  const code = codeIn(await mailbox.take('gone@lotus.example'));
  await prove('gone@lotus.example', code, member);
  clock.advance(7 * 24 * HOUR);
  await deps.purgeExpired();
  assert.equal((await knex('former_addresses').where({ user_id: member.id })).length, 0);
});
