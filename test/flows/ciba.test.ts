import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import { createFakeClock } from '../helpers/clock.ts';
import { discover } from '../helpers/openid.ts';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import {
  answerMail,
  askCiba,
  createCibaWorld,
  headingOf,
  openLink,
  pollCiba,
  seedCibaClient,
  startCiba,
  takeLink,
} from './ciba-support.ts';
import { signInForTokens } from './support.ts';

const clock = createFakeClock();
const world = await createCibaWorld({ overrides: { clock } });
const { url, people } = world;
const hint = { login_hint: people.user.email };

test('a client gets tokens by openid-client after its person allowed it by mail (CIBA Core 7, 10.1)', async () => {
  const client = await seedCibaClient(world);
  const configuration = await discover(url, client);
  const started = await openid.initiateBackchannelAuthentication(configuration, {
    scope: 'openid profile',
    login_hint: people.user.username,
    binding_message: 'Đơn hàng 4711',
  });
  assert.equal(started.interval, 5);
  assert.equal(started.expires_in, 600);
  const link = await takeLink(world);
  const { agent, page } = await openLink(world, link);
  assert.match(headingOf(page), /^Let Lotus Till sign you in/);
  assert.match(page.html, /Đơn hàng 4711/);
  assert.match(page.html, /127\.0\.0\.1/);
  assert.match(page.html, /See your name and profile/);
  const end = await agent.submit(page, new URL(link).pathname, { decision: 'allow' });
  assert.equal(headingOf(end), 'You allowed the sign-in');
  const tokens = await openid.pollBackchannelAuthenticationGrant(configuration, started);
  assert.equal(tokens.claims()?.sub, people.user.id);
  assert.deepEqual(tokens.claims()?.amr, ['pwd']);
  assert.ok(tokens.claims()?.auth_time);
  const claims = decodeJwt(tokens.access_token);
  assert.equal(claims.tid, people.tenantId);
  assert.equal(claims.acr, 'urn:gatehouse:acr:1fa');
  const refreshed = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '');
  assert.ok(refreshed.access_token);
});

test('the mail names client, message and time, in the language of the person', async () => {
  const client = await seedCibaClient(world);
  const { deps, mailbox } = world;
  const user = await deps.users.create(
    {
      tenantId: people.tenantId,
      email: 'vi@lotus.example',
      emailVerified: true,
      locale: 'vi',
      name: 'Trần Văn Bình',
    },
    people.user.password,
  );
  await startCiba(url, client, { login_hint: 'VI@lotus.example', binding_message: 'AB-12' });
  const { subject, text, html, raw } = await mailbox.take(user.email ?? '');
  assert.equal(subject, 'Lotus Till đề nghị bạn xác nhận đăng nhập');
  assert.match(text, /Xin chào Trần Văn Bình,/);
  assert.match(text, /Lời nhắn gửi bạn: AB-12/);
  assert.match(text, /trong vòng 10 phút/);
  assert.match(html, /<html lang="vi">/);
  assert.doesNotMatch(raw, /password|client_secret/i);
});

test('until the answer polling is pending, too fast slow_down (CIBA Core 11)', async () => {
  const client = await seedCibaClient(world);
  const id = await startCiba(url, client, hint);
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');
  assert.equal((await pollCiba(url, client, id)).body.error, 'slow_down');
  clock.advance(10_000);
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');
  await answerMail(world, 'allow');
  assert.equal((await pollCiba(url, client, id)).status, 200);
  assert.equal((await pollCiba(url, client, id)).body.error, 'invalid_grant', 'once only');
});

test('a denied request answers access_denied (CIBA Core 11)', async () => {
  const client = await seedCibaClient(world);
  const id = await startCiba(url, client, hint);
  assert.equal(headingOf(await answerMail(world, 'deny')), 'You didn’t allow the sign-in');
  const { status, body } = await pollCiba(url, client, id);
  assert.equal(status, 400);
  assert.equal(body.error, 'access_denied');
});

test('an expired request answers expired_token, and its link is over (CIBA Core 11)', async (t) => {
  const client = await seedCibaClient(world);
  const { body } = await askCiba(url, client, { ...hint, requested_expiry: '60' });
  assert.equal(body.expires_in, 60);
  const link = await takeLink(world);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  const answer = await pollCiba(url, client, String(body.auth_req_id));
  assert.equal(answer.body.error, 'expired_token');
  const page = await createUserAgent(url).follow(link);
  assert.equal(page.response.status, 404);
  assert.equal(headingOf(page), 'This request is over');
});

test('an id_token_hint names the person too; one of another client is refused', async () => {
  const client = await seedCibaClient(world);
  await startCiba(url, client, hint);
  const first = await startCiba(url, client, hint);
  await takeLink(world);
  await answerMail(world, 'allow');
  const idToken = String((await pollCiba(url, client, first)).body.id_token);
  const second = await startCiba(url, client, { id_token_hint: idToken });
  await answerMail(world, 'allow');
  assert.equal((await pollCiba(url, client, second)).status, 200);
  const other = await seedCibaClient(world);
  const refused = await askCiba(url, other, { id_token_hint: idToken });
  assert.equal(refused.body.error, 'invalid_request');
});

test('whoever is signed in is not asked again; another person sees nothing of the request', async () => {
  const client = await seedCibaClient(world, { isFirstParty: false });
  const id = await startCiba(url, client, { ...hint, binding_message: 'SECRET-7' });
  const link = await takeLink(world);
  const { path } = { path: new URL(link).pathname };
  const email = 'other@lotus.example';
  await world.deps.users.create(
    { tenantId: people.tenantId, email, name: 'Other' },
    people.user.password,
  );
  const credentials = { identifier: email, password: people.user.password };
  const stranger = await signInForTokens(world, { credentials });
  const seen = await stranger.agent.follow(link);
  assert.equal(seen.response.status, 403);
  assert.equal(headingOf(seen), 'This request is for another account');
  assert.ok(!seen.html.includes('SECRET-7') && !seen.html.includes(people.user.email));
  const posted = await stranger.agent.follow(path, {
    method: 'POST',
    body: new URLSearchParams({ decision: 'allow' }),
  });
  assert.equal(posted.response.status, 403);
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');

  const { agent } = await signInForTokens(world);
  const page = await agent.follow(link);
  assert.match(headingOf(page), /^Let Lotus Till sign you in/);
  await agent.submit(page, path, { decision: 'allow' });
  assert.equal((await pollCiba(url, client, id)).status, 200);
});

test('a form without its token, or with that of another browser, decides nothing (ASVS 3.5.1)', async () => {
  const client = await seedCibaClient(world);
  const id = await startCiba(url, client, hint);
  const link = await takeLink(world);
  const { pathname } = new URL(link);
  const { agent, page } = await openLink(world, link);
  const other = await openLink(world, link);
  const { csrf = '' } = findForm(other.page, pathname).fields;
  for (const token of [undefined, '', 'x', csrf]) {
    const fields = { decision: 'allow', ...(token === undefined ? {} : { csrf: token }) };
    const body = new URLSearchParams(fields);
    const { response } = await agent.follow(pathname, { method: 'POST', body });
    assert.equal(response.status, 403);
  }
  await agent.submit(page, pathname, {});
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');
});

test('looking at the link decides nothing, and of many answers the first stands', async () => {
  const client = await seedCibaClient(world);
  const id = await startCiba(url, client, hint);
  const link = await takeLink(world);
  const { pathname } = new URL(link);
  const { agent, page } = await openLink(world, link);
  await agent.fetch(link, { method: 'HEAD' });
  assert.equal((await pollCiba(url, client, id)).body.error, 'authorization_pending');
  await Promise.all(
    ['deny', 'allow', 'deny', 'allow'].map((decision) =>
      agent.submit(page, pathname, { decision }),
    ),
  );
  const { status, body } = await pollCiba(url, client, id);
  const end = headingOf(await agent.follow(link));
  if (status === 200) assert.equal(end, 'You allowed the sign-in');
  else {
    assert.equal(body.error, 'access_denied');
    assert.equal(end, 'You didn’t allow the sign-in');
  }
});

test('a newer request of the same client takes the place of the one before', async () => {
  const client = await seedCibaClient(world);
  await startCiba(url, client, hint);
  const old = await takeLink(world);
  const id = await startCiba(url, client, hint);
  const page = await createUserAgent(url).follow(old);
  assert.equal(headingOf(page), 'This request is over');
  await answerMail(world, 'allow');
  assert.equal((await pollCiba(url, client, id)).status, 200);
});

test('nothing that the store or the log holds opens the link', async () => {
  const client = await seedCibaClient(world);
  const id = await startCiba(url, client, hint);
  const token = new URL(await takeLink(world)).pathname.split('/').at(-1) ?? '';
  const { redis } = world.deps;
  const prefix = world.config.REDIS_PREFIX;
  const keys = [...(await redis.keys(`${prefix}*`)), ...(await redis.keys(`{${prefix}*`))];
  const values = await Promise.all(
    keys.map(async (key) => {
      const name = key.startsWith(prefix) ? key.slice(prefix.length) : key;
      const type = await redis.type(name);
      if (type === 'hash') return JSON.stringify(await redis.hgetall(name));
      return type === 'string' ? redis.get(name) : '';
    }),
  );
  const all = [...keys, ...values, JSON.stringify(world.logs)].join('\n');
  for (const secret of [token, id]) assert.ok(!all.includes(secret));
});
