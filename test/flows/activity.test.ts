import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { CHEAP_HASHES, callApi, login } from './auth-support.ts';
import { addressesIn, TRUSTING } from './sign-in-support.ts';
import { addUser, createWorld, signInForTokens } from './support.ts';

/** What happened to an account, as its owner sees it (ASVS 7.5.2, 16.3.1). */

const clock = createFakeClock();
const world = await createWorld({
  settings: { ...CHEAP_HASHES, ...TRUSTING },
  overrides: { clock },
});
const { url, people, deps } = world;
const newAddress = addressesIn('203.0.113');

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';

interface Entry {
  id: string;
  at: string;
  kind: string;
  sessionId: string | null;
  clientIp: string | null;
  userAgent: string | null;
  device: string | null;
  amr: string[];
  reason: string | null;
  by: string | null;
  client: { clientId: string; name: string | null } | null;
}

async function list(token: string, query = '') {
  await deps.outbox.drain();
  const { status, body } = await callApi(url, 'GET', `/me/activity${query}`, { token });
  assert.equal(status, 200, JSON.stringify(body));
  return body as unknown as { activity: Entry[]; next: string | null };
}

const kindsOf = ({ activity }: { activity: Entry[] }) => activity.map(({ kind }) => kind);

async function person(name: string) {
  const { id, identifier, password } = await addUser(world, name);
  const user = { ...people.user, email: identifier, password };
  const address = newAddress();
  const signIn = (headers = {}) =>
    login({ url, people: { ...people, user } }, { 'x-forwarded-for': address, ...headers });
  return { id, identifier, password, address, signIn };
}

test('sign-ins, failed ones, ends of sessions and changes are told, the newest first', async () => {
  const { identifier, password, address, signIn } = await person('teller');
  const first = await signIn({ 'user-agent': CHROME });
  clock.advance(1_000);
  const { accessToken: token } = await signIn();
  clock.advance(1_000);
  await callApi(url, 'POST', '/auth/login', { body: { identifier, password: 'wrong' } });
  clock.advance(1_000);
  const sid = String(decodeJwt(first.accessToken).sid);
  await callApi(url, 'DELETE', `/me/sessions/${sid}`, { token });
  clock.advance(1_000);
  const change = { currentPassword: password, newPassword: 'quite another phrase 9' };
  const changed = await callApi(url, 'POST', '/auth/password/change', { body: change, token });
  assert.equal(changed.status, 204, JSON.stringify(changed.body));

  const page = await list(token);
  assert.deepEqual(kindsOf(page), [
    'password-changed',
    'session-ended',
    'sign-in-failed',
    'signed-in',
    'signed-in',
    'account-created',
  ]);
  assert.equal(page.next, null);
  const [password_, ended, failed, , signedIn] = page.activity as [
    Entry,
    Entry,
    Entry,
    Entry,
    Entry,
  ];
  assert.equal(password_.by, 'user');
  assert.deepEqual(
    [ended.sessionId, ended.reason, ended.device, ended.clientIp],
    [sid, 'ended_by_user', 'Chrome on Windows', address],
    'which device it was is known after its end too',
  );
  assert.equal(failed.client?.clientId, 'gatehouse-api');
  assert.deepEqual(
    [signedIn.sessionId, signedIn.device, signedIn.userAgent, signedIn.clientIp, signedIn.amr],
    [sid, 'Chrome on Windows', CHROME, address, ['pwd']],
  );
  assert.ok(page.activity.every(({ at }) => at.endsWith('Z')));
});

test('a sign-in on the pages is one entry, through consent and single sign-on; proving oneself anew is another', async () => {
  const { identifier, password, signIn } = await person('browser');
  const { accessToken: token } = await signIn();
  clock.advance(1_000);
  const app = await seedClient(deps, people.tenantId, { isFirstParty: false });
  const credentials = { identifier, password };
  const { agent } = await signInForTokens(world, { credentials });
  const configuration = await discover(url, app);
  const request = await authorizationRequest(configuration, app.redirectUri);
  await agent.submit(await agent.follow(request.url), '/consent', { decision: 'allow' });
  assert.deepEqual(kindsOf(await list(token)), ['signed-in', 'signed-in', 'account-created']);

  clock.advance(60_000);
  const fresh = await authorizationRequest(configuration, app.redirectUri, { prompt: 'login' });
  const asked = await agent.follow(fresh.url);
  await agent.submit(asked, '/sign-in', credentials);
  const { activity } = await list(token);
  assert.deepEqual(kindsOf({ activity }), [
    'signed-in',
    'signed-in',
    'signed-in',
    'account-created',
  ]);
  assert.equal(activity[0]?.sessionId, activity[1]?.sessionId, 'of the same session');
});

test('pages follow each other without a gap or a repetition, at one instant too', async () => {
  const { identifier, signIn } = await person('much');
  const { accessToken: token } = await signIn();
  const body = { identifier, password: 'wrong' };
  for (let i = 0; i < 5; i += 1) await callApi(url, 'POST', '/auth/login', { body });
  const whole = await list(token);
  assert.equal(whole.activity.length, 7);
  const seen: string[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const query = next === '' ? '?limit=2' : `?limit=2&cursor=${next}`;
    const page: Awaited<ReturnType<typeof list>> = await list(token, query);
    assert.ok(page.activity.length <= 2);
    seen.push(...page.activity.map(({ id }) => id));
    next = page.next;
  }
  assert.deepEqual(
    seen,
    whole.activity.map(({ id }) => id),
  );
  for (const query of ['?cursor=x', '?cursor=MTIz', '?limit=0', '?limit=101', '?before=now']) {
    const { status, body: refused } = await callApi(url, 'GET', `/me/activity${query}`, { token });
    assert.deepEqual([status, refused.code], [400, 'IDENT_VALIDATION'], query);
  }
});

test('it tells of nobody else, of whatever cursor (ASVS 8.2.2)', async () => {
  const victim = await person('watched');
  const { accessToken } = await victim.signIn();
  const { accessToken: token } = await (await person('watcher')).signIn();
  const theirs = await list(accessToken, '?limit=1');
  assert.ok(theirs.next);
  const page = await list(token, `?cursor=${theirs.next}`);
  const own = new Set((await list(token)).activity.map(({ id }) => id));
  assert.ok(page.activity.every(({ id }) => own.has(id)));
  assert.deepEqual(kindsOf(await list(token)), ['signed-in', 'account-created']);
});

test('after 90 days it is forgotten: not told, and the record of sign-ins deleted', async () => {
  const { id, signIn } = await person('past');
  await signIn();
  const count = async () =>
    Number((await deps.postgres.knex('sign_ins').where({ user_id: id }).count())[0]?.count);
  assert.equal(await count(), 1);
  clock.advance(91 * 24 * 3_600_000);
  const { accessToken: token } = await signIn();
  assert.deepEqual(kindsOf(await list(token)), ['signed-in']);
  while ((await deps.purgeExpired()) > 0);
  assert.equal(await count(), 1);
});

test('nothing in this file was an error of ours', () => {
  assert.deepEqual(
    world.logs.filter(({ level }) => level === 'error'),
    [],
  );
});
