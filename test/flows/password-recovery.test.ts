import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createConsumers } from '../../src/consumers.ts';
import { createSmsGateway } from '../helpers/sms-gateway.ts';
import { callApi } from './auth-support.ts';
import {
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
import { type Answer, eventsOf, isDeadEverywhere, signInForTokens } from './support.ts';

const gateway = await createSmsGateway();
const world = await createProofWorld({ OUTBOUND_ALLOWED_HOSTS: new URL(gateway.url).host });
const quiet = await createQuietWorld();
const { deps, clock, mailbox, people } = world;
const { knex } = deps.postgres;

const FORGOT = '/auth/password/forgot';
const RESET = '/auth/password/reset';
const FINE = 'quiet lanterns over water';
const FINER = 'slow rivers under bridges';

/** Every request from an address of its own, so that none uses up another's budget. */
let address = 0;
const ask = (identifier: string, tenant?: string) => post(world, FORGOT, { identifier, tenant });
const reset = (body: Record<string, unknown>) => post(world, RESET, body);
const login = (identifier: string, password: string) =>
  callApi(world.url, 'POST', '/auth/login', { body: { identifier, password } });

const tokenIn = ({ text }: { text: string }): string => {
  const token = /\/reset-password\?token=([\w-]+)/.exec(text)?.[1];
  assert.ok(token, text);
  return token;
};

/** A person with a verified address, and the cheapest password that there is. */
async function addPerson(changes: Record<string, unknown> = {}, on: ProofWorld = world) {
  const name = `person-${address++}`;
  const email = `${name}@lotus.example`;
  const user = await on.deps.users.create(
    { tenantId: on.people.tenantId, email, username: name, emailVerified: true, ...changes },
    { hash: '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0' },
  );
  return { id: user.id, email, name, password: 'test12345' };
}

const changesOf = async (id: string) =>
  (await eventsOf(deps, 'identity.user.password_changed.v1')).filter(
    ({ subject }) => subject === id,
  );

/** Lets the minute between two messages pass. */
const wait = () => clock.advance(MINUTE + 1_000);

suite('a forgotten password', () => {
  test('ASVS 6.4.1: the link in the mail sets a new password once, ends every session and begins none', async () => {
    const { user } = people;
    const [byApi, byPages] = [await login(user.email, user.password), await signInForTokens(world)];
    assert.equal(byApi.status, 200);
    const asked = await post(world, FORGOT, { identifier: user.email });
    assert.equal(asked.status, 202);
    assert.deepEqual(asked.body, { status: 'accepted' });
    const mail = await mailbox.take(user.email);
    const token = tokenIn(mail);
    assert.ok(mail.text.includes(`${world.url}/reset-password?token=`));

    const answer = await reset({ token, password: FINE });
    assert.equal(answer.status, 204, JSON.stringify(answer.body));
    assert.equal(answer.headers.get('set-cookie'), null);
    assert.deepEqual(answer.body, {});
    assert.equal((await deps.sessions.list(people.tenantId, user.id)).length, 0);
    for (const accessToken of [String(byApi.body.accessToken), byPages.accessToken]) {
      assert.ok(await isDeadEverywhere(world.url, world.client, accessToken));
    }
    const refreshed = await post(world, '/auth/refresh', {
      refreshToken: byApi.body.refreshToken,
    });
    assert.equal(refreshed.status, 401);
    assertProblem(await login(user.email, user.password), 401, 'IDENT_INVALID_CREDENTIALS');
    assert.equal((await login(user.email, FINE)).status, 200);
    assertProblem(await reset({ token, password: FINER }), 422, 'IDENT_TOKEN_SPENT');

    assert.deepEqual(
      (await changesOf(user.id)).map(({ data }) => data),
      [{ userId: user.id, by: 'user' }],
    );
    const reasons = (await eventsOf(deps, 'identity.session.revoked.v1')).map(
      ({ data }) => data.reason,
    );
    assert.deepEqual(reasons, ['password_reset', 'password_reset']);
    await deps.outbox.drain();
    const notice = await mailbox.take(user.email, /password was changed/i);
    assert.match(notice.subject, /password was changed/i);
    assert.ok(notice.text.includes(`${world.url}/forgot-password`));
    const told = JSON.stringify([world.logs, await eventsOf(deps)]);
    assert.ok(!told.includes(token) && !told.includes(FINE) && !told.includes(user.email));
  });

  test('ASVS 6.5.1: the code in the mail does the same once, and ends the link beside it', async () => {
    const person = await addPerson();
    assert.equal((await ask(person.email.toUpperCase())).status, 202);
    const mail = await mailbox.take(person.email);
    const code = codeIn(mail);
    const claim = { identifier: person.email, password: FINE };
    const wrong = await reset({ ...claim, code: wrongCode(code) });
    assertProblem(wrong, 422, 'IDENT_TOKEN_SPENT');
    assert.equal((await reset({ ...claim, code })).status, 204);
    assertProblem(await reset({ ...claim, code }), 422, 'IDENT_TOKEN_SPENT');
    const byLink = await reset({ token: tokenIn(mail), password: FINER });
    assertProblem(byLink, 422, 'IDENT_TOKEN_SPENT');
    assert.equal((await login(person.email, FINE)).status, 200);
  });

  test('a code that is left over when the link was used opens nothing', async () => {
    const person = await addPerson();
    await ask(person.name, 'lotus');
    const mail = await mailbox.take(person.email);
    assert.equal((await reset({ token: tokenIn(mail), password: FINE })).status, 204);
    const left = { identifier: person.name, tenant: 'lotus', code: codeIn(mail), password: FINER };
    assertProblem(await reset(left), 422, 'IDENT_TOKEN_SPENT');
  });

  test('a newer mail ends the link of an older one', async () => {
    const person = await addPerson();
    await ask(person.email);
    const older = tokenIn(await mailbox.take(person.email));
    wait();
    await ask(person.email);
    const newer = tokenIn(await mailbox.take(person.email));
    assertProblem(await reset({ token: older, password: FINE }), 422, 'IDENT_TOKEN_SPENT');
    assert.equal((await reset({ token: newer, password: FINE })).status, 204);
  });

  test('a password that is refused does not use the token up, and the answer says why', async () => {
    const person = await addPerson();
    await ask(person.email);
    const token = tokenIn(await mailbox.take(person.email));
    for (const [password, reason] of [
      ['short', 'too_short'],
      ['passw0rd', 'common'],
      [`${person.name}!`, 'context'],
      ['lotus health', 'context'],
    ]) {
      const refused = await reset({ token, password });
      assertProblem(refused, 400, 'IDENT_WEAK_PASSWORD');
      assert.equal(refused.body.reason, reason);
      const [field] = refused.body.errors as { path: string; message: string }[];
      assert.equal(field?.path, 'password');
      assert.ok(field?.message);
    }
    assert.deepEqual(await changesOf(person.id), []);
    assert.equal((await reset({ token, password: FINE })).status, 204);
  });

  test('nor the code: what is wrong for anybody is said first, what is wrong for this person gives a token in its place', async () => {
    const person = await addPerson({ name: 'Hoàng Thị Tuyết Mai' });
    await ask(person.email);
    const code = codeIn(await mailbox.take(person.email));
    const claim = { identifier: person.email, code };
    const common = await reset({ ...claim, password: 'passw0rd' });
    assertProblem(common, 400, 'IDENT_WEAK_PASSWORD');
    assert.equal(common.body.resetToken, undefined);
    const guess = { identifier: person.email, code: wrongCode(code), password: 'hoangtuyetmai' };
    assertProblem(await reset(guess), 422, 'IDENT_TOKEN_SPENT');
    const named = await reset({ ...claim, password: 'hoangtuyetmai' });
    assertProblem(named, 400, 'IDENT_WEAK_PASSWORD');
    assert.equal(named.body.reason, 'context');
    const token = String(named.body.resetToken);
    assert.equal((await reset({ token, password: FINE })).status, 204);
    assert.equal((await login(person.email, FINE)).status, 200);
  });

  test('of two resets at once by one token one wins, and its password holds', async () => {
    const person = await addPerson();
    await ask(person.email);
    const mail = await mailbox.take(person.email);
    const passwords = [FINE, FINER, 'eleven brass kettles'];
    const answers = await Promise.all(
      passwords.map((password) => reset({ token: tokenIn(mail), password })),
    );
    const statuses = answers.map(({ status }) => status);
    assert.deepEqual([...statuses].sort(), [204, 422, 422]);
    const winner = passwords[statuses.indexOf(204)] ?? '';
    assert.equal((await login(person.email, winner)).status, 200);
    assert.equal((await changesOf(person.id)).length, 1);
  });

  test('a link opens nothing after half an hour, another address, a suspension, or made up', async () => {
    const obtain = async (): Promise<[Awaited<ReturnType<typeof addPerson>>, string]> => {
      const person = await addPerson();
      await ask(person.email);
      return [person, tokenIn(await mailbox.take(person.email))];
    };
    const [moved, movedToken] = await obtain();
    await knex('users').where({ id: moved.id }).update({ email: 'elsewhere@lotus.example' });
    const [suspended, suspendedToken] = await obtain();
    await deps.lifecycle.suspend({ tenantId: people.tenantId, userId: suspended.id });
    const verifying = await deps.links.issue({
      ...{ purpose: 'verify-email', userId: moved.id, tenantId: people.tenantId, ttl: MINUTE },
    });
    const [, late] = await obtain();
    for (const token of [movedToken, suspendedToken, verifying, 'A'.repeat(43), 'odd']) {
      assertProblem(await reset({ token, password: FINE }), 422, 'IDENT_TOKEN_SPENT');
    }
    clock.advance(30 * MINUTE);
    assertProblem(await reset({ token: late, password: FINE }), 422, 'IDENT_TOKEN_SPENT');
  });

  test('a reset opens an account that failed tries have closed', async () => {
    const person = await addPerson();
    for (let at = 0; at < 10; at += 1) {
      const tried = deps.signIn.withPassword({
        ...{ identifier: person.email, password: 'wrong', clientId: null },
        ...{ tenantId: people.tenantId, organisation: null, clientIp: `192.0.2.${at}` },
      });
      await assert.rejects(tried);
    }
    assertProblem(await login(person.email, person.password), 423, 'IDENT_LOCKED');
    await ask(person.email);
    const token = tokenIn(await mailbox.take(person.email));
    assert.equal((await reset({ token, password: FINE })).status, 204);
    assert.equal((await login(person.email, FINE)).status, 200);
  });

  test('a verified phone number gets a code by SMS; without a provider the answer is 503 for everybody', async () => {
    const [phone, unknown] = ['+84901234599', '+84901234500'];
    const person = await addPerson({ phone });
    await knex('users').where({ id: person.id }).update({ phone_verified_at: new Date() });
    for (const number of [phone, unknown]) {
      assertProblem(await ask(number), 503, 'IDENT_UNAVAILABLE');
    }
    const settings = {
      ...{ kind: 'http', url: `${gateway.url}/send` },
      body: { type: 'json', template: { to: '{to}', text: '{text}' } },
    };
    const place = { tenantId: null, group: 'SMS', key: 'provider' } as const;
    await deps.configurations.set(place, { settings });
    clock.advance(10_000);
    const shapes = [];
    for (const number of ['+84 901 234 599', unknown]) shapes.push(shapeOf(await ask(number)));
    assert.deepEqual(shapes[0], shapes[1]);
    const { text } = JSON.parse((await gateway.take()).body) as { text: string };
    const done = await reset({ identifier: phone, code: codeIn({ text }), password: FINE });
    assert.equal(done.status, 204, JSON.stringify(done.body));
    assert.equal((await login(phone, FINE)).status, 200);
  });

  test('whoever died after the commit, the consumer of the event makes tokens that are out dead', async () => {
    const person = await addPerson();
    const tokens = await login(person.email, person.password);
    assert.equal(tokens.status, 200);
    const accessToken = String(tokens.body.accessToken);
    await ask(person.email);
    const token = tokenIn(await mailbox.take(person.email));
    assert.equal((await reset({ token, password: FINE })).status, 204);
    const keys = await deps.redis.keys(`${world.config.REDIS_PREFIX}revoked*`);
    assert.ok(keys.length > 0);
    await deps.redis.del(...keys.map((key) => key.slice(world.config.REDIS_PREFIX.length)));
    const [row] = await knex('outbox_events')
      .where({ subject: person.id, type: 'identity.user.password_changed.v1' })
      .limit(1);
    const event = { ...row, tenantId: row.tenant_id, occurredAt: row.occurred_at.toISOString() };
    const consumer = createConsumers(deps).find(({ name }) => name === 'password-sessions');
    await consumer?.handle(event);
    assert.ok(await isDeadEverywhere(world.url, world.client, accessToken));
  });
});

suite('logto#8485, ASVS 6.3.8: whom an identifier means is not told', () => {
  test('body, status and headers are alike, and only a verified address of an open account is written to', async () => {
    const known = await addPerson();
    const unverified = await addPerson({ emailVerified: false });
    const suspended = await addPerson();
    await deps.lifecycle.suspend({ tenantId: people.tenantId, userId: suspended.id });
    const sent = mailbox.mails.length;
    const shapes: unknown[] = [];
    for (const identifier of [
      ...[known.email, unverified.email, suspended.email, 'nobody@lotus.example'],
      ...['nobody', unverified.name],
    ]) {
      shapes.push(shapeOf(await ask(identifier)));
    }
    shapes.push(shapeOf(await ask(known.name, 'no-such-tenant')));
    for (const shape of shapes) assert.deepEqual(shape, shapes[0]);
    await mailbox.take(known.email);
    // The queue is in order: what came before this one has been worked off.
    wait();
    await ask(known.email);
    await mailbox.take(known.email);
    const others = mailbox.mails.slice(sent).filter(({ to }) => !to.includes(known.email));
    assert.deepEqual(others, []);
    const again = [known.email, 'nobody@lotus.example', 'nobody'].map((one) => ask(one));
    const limits: Answer[] = await Promise.all(again);
    assertProblem(limits[0] as Answer, 429, 'IDENT_RATE_LIMITED');
    assert.ok(Number(limits[0]?.headers.get('retry-after')) > 0);
  });

  test('a code for nobody is as wrong as any', async () => {
    await ask('no-one@lotus.example');
    const person = await addPerson();
    await ask(person.email);
    const answers = [];
    for (const identifier of ['no-one@lotus.example', person.email, 'never-asked']) {
      answers.push(await reset({ identifier, code: '000001', password: FINE }));
    }
    for (const answer of answers) {
      assertProblem(answer, 422, 'IDENT_TOKEN_SPENT');
      assert.deepEqual(shapeOf(answer), shapeOf(answers[0] as Answer));
    }
  });

  test('stores and queue are asked the same for everyone', async () => {
    const known = await addPerson({}, quiet);
    const unverified = await addPerson({ emailVerified: false }, quiet);
    const suspended = await addPerson({}, quiet);
    await quiet.deps.lifecycle.suspend({ tenantId: quiet.people.tenantId, userId: suspended.id });
    // The first request opens connections and fills caches.
    await post(quiet, FORGOT, { identifier: 'first@lotus.example' });
    const works = [];
    for (const identifier of [
      ...[known.email, unverified.email, suspended.email, 'nobody@lotus.example'],
    ]) {
      works.push(await countWork(quiet, () => post(quiet, FORGOT, { identifier })));
    }
    const [first, ...others] = works;
    assert.equal(first?.messages, 1, JSON.stringify(first));
    for (const work of others) assert.deepEqual(work, first);
  });

  test('a person who is asked for by address and by name is written to once in the while, and the first link stays good', async () => {
    const person = await addPerson();
    await ask(person.email);
    const token = tokenIn(await mailbox.take(person.email));
    assert.equal((await ask(person.name)).status, 202);
    assert.equal((await reset({ token, password: FINE })).status, 204);
    wait();
    await ask(person.name);
    const next = await mailbox.take(person.email);
    assert.ok(tokenIn(next));
  });
});

test('without a mail server the answer is 503 for everybody, and nothing is made', async () => {
  const { startGatehouse, seedPeople } = await import('../helpers/gatehouse.ts');
  const bare = await startGatehouse();
  const { user } = await seedPeople(bare.deps);
  for (const identifier of [user.email, 'nobody@lotus.example']) {
    const answer = await callApi(bare.url, 'POST', FORGOT, { body: { identifier } });
    assertProblem(answer, 503, 'IDENT_UNAVAILABLE');
  }
  const { count } = (await bare.deps.postgres.knex('one_time_links').count().first()) ?? {};
  assert.equal(Number(count), 0);
});

suite('a code that is verified before the password is chosen', () => {
  const verify = (body: unknown) => post(world, '/auth/password/verify-code', body);

  test('a password that is refused costs neither the code nor the token, which sets one password', async () => {
    const person = await addPerson();
    await ask(person.email);
    const claim = { identifier: person.email, code: codeIn(await mailbox.take(person.email)) };
    const verified = await verify(claim);
    assert.equal(verified.status, 200, JSON.stringify(verified.body));
    const { resetToken: token } = verified.body;
    assertProblem(await verify(claim), 422, 'IDENT_TOKEN_SPENT');
    assertProblem(await reset({ token, password: 'password' }), 400, 'IDENT_WEAK_PASSWORD');
    assert.equal((await reset({ token, password: FINE })).status, 204);
    assertProblem(await reset({ token, password: FINER }), 422, 'IDENT_TOKEN_SPENT');
    assert.equal((await login(person.email, FINE)).status, 200);
  });

  test('ASVS 6.3.8: for nobody it is refused like a wrong code', async () => {
    const person = await addPerson();
    await ask(person.email);
    const code = wrongCode(codeIn(await mailbox.take(person.email)));
    const [wrong, unknown] = [
      await verify({ identifier: person.email, code }),
      await verify({ identifier: 'nobody-at-all@lotus.example', code }),
    ];
    assertProblem(wrong, 422, 'IDENT_TOKEN_SPENT');
    assert.deepEqual(shapeOf(unknown), shapeOf(wrong));
  });
});
