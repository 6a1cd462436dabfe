import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import {
  answerDevice,
  enterCode,
  pollDevice,
  seedDeviceClient,
  startDevice,
} from './device-support.ts';
import { createWorld } from './support.ts';

const world = await createWorld({ settings: { TRUSTED_PROXIES: '127.0.0.1' } });
const { url } = world;
const client = await seedDeviceClient(world);
let addresses = 0;

/** A browser at an address of its own. */
function openBrowser(address?: string) {
  addresses += 1;
  return createUserAgent(url, { 'x-forwarded-for': address ?? `198.51.100.${addresses}` });
}

const errorOf = ({ html }: { html: string }): string =>
  /id="user-code-error"[^>]*>([^<]*)</.exec(html)?.[1] ?? '';

test('nothing, a wrong code and a used code are told apart from a right one', async () => {
  const agent = openBrowser();
  const empty = await enterCode(agent, '');
  assert.equal(empty.response.status, 400);
  assert.match(errorOf(empty), /Enter the code/);
  const wrong = await enterCode(agent, 'BBBB-BBBB');
  assert.equal(wrong.response.status, 400);
  assert.match(errorOf(wrong), /don’t know this code/);
  assert.match(wrong.html, /value="BBBB-BBBB"/);
  const { user_code } = await startDevice(url, client);
  await answerDevice(agent, user_code, 'abort');
  const used = await enterCode(agent, user_code);
  assert.match(errorOf(used), /used before/);
});

test('guesses are bounded for a browser, and the page says for how long (RFC 8628 5.1)', async () => {
  const agent = openBrowser();
  const { user_code, device_code } = await startDevice(url, client);
  for (let guess = 0; guess < 5; guess += 1) {
    assert.equal((await enterCode(agent, 'CCCC-CCCC')).response.status, 400);
  }
  const refused = await enterCode(agent, user_code);
  assert.equal(refused.response.status, 429);
  assert.ok(Number(refused.response.headers.get('retry-after')) > 0);
  assert.match(errorOf(refused), /too many wrong codes/);
  assert.equal((await pollDevice(url, client, device_code)).body.error, 'authorization_pending');
  assert.equal((await enterCode(openBrowser(), user_code)).response.status, 200, 'others go on');
});

test('guesses are bounded for an address, in parallel and without cookies (RFC 8628 5.1)', async () => {
  const address = '203.0.113.7';
  const guess = async () => (await enterCode(openBrowser(address), 'DDDD-DDDD')).response.status;
  const statuses = await Promise.all(Array.from({ length: 25 }, guess));
  assert.equal(statuses.filter((status) => status === 400).length, 10);
  assert.equal(statuses.filter((status) => status === 429).length, 15);
});

test('right codes use up no budget', async () => {
  const agent = openBrowser();
  for (let turn = 0; turn < 8; turn += 1) {
    const { user_code } = await startDevice(url, client);
    assert.equal((await answerDevice(agent, user_code, 'abort')).response.status, 200);
  }
});

test('a form from elsewhere, or of another browser, changes nothing (ASVS 3.5.1)', async () => {
  const { user_code, device_code } = await startDevice(url, client);
  const victim = openBrowser();
  await victim.follow('/device');
  const other = openBrowser();
  const { xsrf = '' } = findForm(await other.follow('/device'), '/device').fields;
  for (const token of [undefined, '', 'x'.repeat(48), xsrf]) {
    const fields = { user_code, confirm: 'yes', ...(token === undefined ? {} : { xsrf: token }) };
    const body = new URLSearchParams(fields);
    const { response } = await victim.follow('/device', { method: 'POST', body });
    assert.equal(response.status, 400);
    await victim.follow('/device');
  }
  assert.equal((await pollDevice(url, client, device_code)).body.error, 'authorization_pending');
});

test('a code is kept under an HMAC: nothing in Redis holds it or its plain hash', async () => {
  const { user_code } = await startDevice(url, client);
  const plain = user_code.replace('-', '');
  const keys = await world.deps.redis.keys(`${world.config.REDIS_PREFIX}*`);
  const traces = [plain, user_code, createHash('sha256').update(plain).digest('hex')];
  for (const trace of traces) assert.ok(!keys.some((key) => key.includes(trace)));
  assert.ok(keys.some((key) => key.includes('oidc:user-code:')));
});

test('the pages speak Vietnamese to whoever reads Vietnamese', async () => {
  const { user_code } = await startDevice(url, client);
  const agent = createUserAgent(url, {
    'x-forwarded-for': '198.51.100.250',
    'accept-language': 'vi',
  });
  const confirm = await enterCode(agent, user_code);
  assert.match(confirm.html, /<html lang="vi"/);
  assert.match(confirm.html, /Có ai đó gửi mã này cho bạn\?/);
});
