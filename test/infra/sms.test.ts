import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { createLogger } from '../../src/infra/logger.ts';
import { createOutbound } from '../../src/infra/outbound.ts';
import { DeliveryError, type PostResult } from '../../src/infra/post.ts';
import { createQueues } from '../../src/infra/queues.ts';
import { createSealer } from '../../src/infra/sealing.ts';
import { createSmsSender, type SmsProvider } from '../../src/infra/sms.ts';
import { Secret } from '../../src/kernel/crypto.ts';
import { becomesTrue } from '../flows/support.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';
import { createSmsGateway } from '../helpers/sms-gateway.ts';

const gateway = await createSmsGateway();
const clock = createFakeClock();
const logs: string[] = [];
const log = createLogger({
  level: 'debug',
  destination: { write: (line) => void logs.push(line) },
});
const results: PostResult[] = [];
const outbound = createOutbound([]);
after(() => outbound.close());

const vnpay: SmsProvider = {
  kind: 'vnpay',
  url: `${gateway.url}/sms`,
  sender: 'LOTUS',
  keyword: 'OTP',
  partnerCode: 'lotus',
  secretKey: new Secret('hush'),
  type: 0,
  isPlain: true,
  isGuarded: false,
};

const http: SmsProvider = {
  kind: 'http',
  method: 'POST',
  url: `${gateway.url}/send?ref={id}&q={text}`,
  headers: { Authorization: 'Bearer {credentials.token}' },
  body: { type: 'json', template: { to: '{to}', parts: ['{text}'], flash: false } },
  success: { statuses: [200, 202], member: { path: 'data.code', values: ['0', 'ok'] } },
  credentials: { token: new Secret('s3cret') },
  isPlain: false,
  isGuarded: false,
};

const TAKEN = { status: 200, body: '{"data":{"code":0}}' };

function startSender(provider: SmsProvider | undefined, folder: string | null = null) {
  const queues = createQueues({ url: testRedisUrl(), prefix: redisPrefix(), log });
  const sender = createSmsSender<{ text: string }>({
    findProvider: async () => provider,
    outbound,
    folder,
    queues,
    sealer: createSealer(randomBytes(32)),
    clock,
    log,
    tenantOf: () => undefined,
    retries: { attempts: 5, backoff: 200 },
    render: async ({ text }) => text,
    onResult: (result) => void results.push(result),
  });
  sender.start();
  after(async () => {
    await queues.close();
    await sender.close();
  });
  const send = (id: string, to: string | null, text = 'Mã 048213', expiresIn = 60_000) =>
    sender.enqueue(id, { to, request: { text }, expiresAt: clock.now() + expiresIn });
  return { ...sender, enqueue: send, send: sender.send };
}

const byVnpay = startSender(vnpay);
const byHttp = startSender(http);

test('VNPAY gets its JSON: a number as dialled at home, a text without marks, no id of ours', async () => {
  await Promise.all([1, 2, 3].map(() => byVnpay.enqueue('login-1', '+84901234567')));
  const { method, url, headers, body } = await gateway.take();
  assert.deepEqual([method, url, headers['content-type']], ['POST', '/sms', 'application/json']);
  const { messageId, ...rest } = JSON.parse(body);
  assert.match(messageId, /^[0-9a-f]{32}$/);
  assert.deepEqual(rest, {
    destination: '0901234567',
    sender: 'LOTUS',
    keyword: 'OTP',
    shortMessage: 'Ma 048213',
    encryptMessage: '',
    isEncrypt: 0,
    type: 0,
    requestTime: Math.floor(clock.now() / 1_000),
    partnerCode: 'lotus',
    sercretKey: 'hush',
  });
  // One id, one message: what comes next is another one.
  await byVnpay.enqueue('login-2', '+447700900123');
  assert.equal(JSON.parse((await gateway.take()).body).destination, '447700900123');
});

test('any other gateway gets what its settings say, with no value able to add anything', async () => {
  gateway.answerNext(TAKEN);
  await byHttp.enqueue('any', '+84901234567', 'Mã "048213" & {to} {credentials.token}');
  const { url, headers, body } = await gateway.take();
  const query = new URL(url, gateway.url).searchParams;
  assert.match(query.get('ref') ?? '', /^[0-9a-f]{32}$/);
  assert.equal(query.get('q'), 'Mã "048213" & {to} {credentials.token}');
  assert.equal(headers.authorization, 'Bearer s3cret');
  assert.deepEqual(JSON.parse(body), {
    to: '+84901234567',
    parts: ['Mã "048213" & {to} {credentials.token}'],
    flash: false,
  });
});

test('a form is a form, and GET has no body', async () => {
  const body = { type: 'form' as const, template: { msisdn: '{number}', text: '{text}' } };
  const form = startSender({ ...http, body, success: { statuses: [200], member: null } });
  await form.enqueue('form', '+84901234567', 'a&msisdn=1');
  const sent = await gateway.take();
  assert.equal(sent.headers['content-type'], 'application/x-www-form-urlencoded');
  assert.deepEqual(
    [...new URLSearchParams(sent.body)],
    [
      ['msisdn', '84901234567'],
      ['text', 'a&msisdn=1'],
    ],
  );
  await startSender({
    ...http,
    method: 'GET',
    body,
    success: { statuses: [200], member: null },
  }).send({ id: 'x', to: '+84901234567', text: 'a' });
  const got = await gateway.take();
  assert.deepEqual([got.method, got.body], ['GET', '']);
});

test('what a provider refuses for good is given up, what it cannot do now is tried again', async () => {
  const cases: [SmsProvider, { status: number; body: string }, boolean][] = [
    [vnpay, { status: 200, body: '{"status":"01"}' }, true],
    [vnpay, { status: 200, body: '{"status":"80"}' }, true],
    [vnpay, { status: 200, body: '{"status":"05"}' }, false],
    [vnpay, { status: 200, body: '{"status":"99"}' }, false],
    [vnpay, { status: 200, body: '<html>' }, false],
    [vnpay, { status: 403, body: '' }, true],
    [vnpay, { status: 503, body: '' }, false],
    [http, { status: 200, body: '{"data":{"code":7}}' }, false],
    [http, { status: 200, body: '{"data":{}}' }, false],
    [http, { status: 302, body: '{"data":{"code":0}}' }, false],
    [http, { status: 401, body: '{"data":{"code":0}}' }, true],
    [http, { status: 429, body: '' }, false],
    [http, { status: 500, body: 'x'.repeat(200_000) }, false],
  ];
  for (const [provider, answer, isFinal] of cases) {
    gateway.answerNext(answer);
    const sender = provider === vnpay ? byVnpay : byHttp;
    await assert.rejects(
      sender.send({ id: 'x', to: '+84901234567', text: 'x' }),
      (error) => error instanceof DeliveryError && error.isFinal === isFinal,
      JSON.stringify(answer).slice(0, 80),
    );
    await gateway.take();
  }
});

test('one that is tried again arrives later, once, under the same id', async () => {
  results.length = 0;
  gateway.answerNext({ status: 503, body: '' });
  await byVnpay.enqueue('again', '+84901234567');
  const first = JSON.parse((await gateway.take()).body);
  const second = JSON.parse((await gateway.take()).body);
  assert.equal(first.messageId, second.messageId);
  assert.ok(await becomesTrue(() => results.includes('sent'), 30_000));
  assert.deepEqual(results, ['retried', 'sent']);
});

test('one to nobody, or too late, is not sent; a number that is none is refused', async () => {
  results.length = 0;
  const before = gateway.requests.length;
  await byVnpay.enqueue('nobody', null);
  await byVnpay.enqueue('late', '+84901234567', 'x', -1);
  assert.ok(await becomesTrue(() => results.includes('expired'), 30_000));
  assert.equal(gateway.requests.length, before);
  for (const to of ['', '0901234567', '+84', '+84901234567\r\n', '+84901234567,+84901234568']) {
    await assert.rejects(byVnpay.enqueue(`bad${to.length}`, to), /E\.164/);
  }
});

test('a gateway that a tenant chose is reached by https at a public address only (SSRF)', async () => {
  const before = gateway.requests.length;
  for (const url of [
    gateway.url,
    'https://127.0.0.1:4443/',
    'https://[::1]/',
    'http://example.org/',
  ]) {
    const sender = startSender({ ...vnpay, url, isGuarded: true });
    await assert.rejects(
      sender.send({ id: 'x', to: '+84901234567', text: 'x' }),
      /not reached: OutboundRefusedError/,
      url,
    );
  }
  assert.equal(gateway.requests.length, before);
});

test('without a provider none is ready, and that is counted; in development there are files', async () => {
  results.length = 0;
  const none = startSender(undefined);
  assert.equal(await none.isReady(), false);
  assert.deepEqual(results, ['refused']);
  const folder = await mkdtemp(`${tmpdir()}/sms-`);
  after(() => rm(folder, { recursive: true }));
  const files = startSender(undefined, folder);
  assert.equal(await files.isReady(), true);
  await files.send({ id: 'x', to: '+84901234567', text: 'Mã 048213' });
  const [file = ''] = await readdir(folder);
  const { to, text } = JSON.parse(await readFile(`${folder}/${file}`, 'utf8'));
  assert.deepEqual([to, text], ['+84901234567', 'Mã 048213']);
});

test('no number, text or credential is in the log', () => {
  const text = logs.join('');
  assert.match(text, /sms not sent/);
  assert.doesNotMatch(text, /901234567|048213|hush|s3cret/);
});
