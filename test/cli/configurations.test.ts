import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createMailbox } from '../helpers/mailbox.ts';
import { createSmsGateway } from '../helpers/sms-gateway.ts';
import { createCli, hasStack } from './harness.ts';

const [mailbox, gateway] = await Promise.all([createMailbox(), createSmsGateway()]);
const cli = await createCli();
await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health']);

const run = (args: string[], stdin?: string) =>
  cli.run(['configurations', ...args], stdin === undefined ? {} : { stdin });

test('a mail server is set, tried and taken away', async () => {
  const nothing = await run(['test', 'MAIL', '--to', 'an@example.org']);
  assert.match(nothing.stderr, /not sent: no mail server is configured/);
  assert.equal(nothing.code, 1);
  const { port } = new URL(mailbox.url);
  const members = ['host=127.0.0.1', `port=${port}`, 'security=none', 'from=Lotus <a@b.example>'];
  const set = await run(['set', 'MAIL', 'server', ...members.flatMap((one) => ['--set', one])]);
  assert.equal(set.code, 0, set.all);
  const sent = await run(['test', 'mail', '--to', 'an@example.org', '--locale', 'vi']);
  assert.equal(sent.code, 0, sent.all);
  assert.match((await mailbox.take('an@example.org')).subject, /Xác nhận/);
  assert.equal((await run(['unset', 'MAIL', 'server'])).code, 0);
  const again = await run(['unset', 'MAIL', 'server']);
  assert.match(again.stderr, /Nothing is set for MAIL server/);
});

test('credentials come by standard input, and nothing shows them again', async () => {
  const settings = {
    ...{ kind: 'vnpay', url: `${gateway.url}/sms`, sender: 'LOTUS', keyword: 'OTP' },
    partnerCode: 'lotus',
  };
  await writeFile(path.join(cli.dir, 'sms.json'), JSON.stringify(settings));
  const set = ['set', 'SMS', 'provider', '--settings', 'sms.json'];
  const without = await run(set);
  assert.match(without.stderr, /credentials: must be given: secretKey/);
  const secret = 'V3ry-s3cret';
  const done = await run([...set, '--credentials-stdin'], JSON.stringify({ secretKey: secret }));
  assert.equal(done.code, 0, done.all);
  const list = await run(['list', '--json']);
  const [entry] = list.json().configurations as Record<string, unknown>[];
  assert.deepEqual([entry?.group, entry?.hasCredentials, entry?.tenantId], ['SMS', true, null]);
  const sent = await run(['test', 'SMS', '--to', '+84901234567']);
  assert.equal(sent.code, 0, sent.all);
  assert.equal(JSON.parse((await gateway.take()).body).sercretKey, secret);
  gateway.answerNext({ status: 200, body: '{"status":"04"}' });
  const refused = await run(['test', 'SMS', '--to', '+84901234567']);
  assert.match(refused.stderr, /not sent: VNPAY answered 200, status 04/);
  for (const one of [without, done, list, sent, refused]) {
    assert.ok(!one.all.includes(secret));
    assert.ok(!hasStack(one));
  }
});

test('wording of a tenant comes from a file, and is checked before it is kept', async () => {
  await writeFile(path.join(cli.dir, 'good.txt'), 'Mã của {{name}}: {{code}}\n');
  await writeFile(path.join(cli.dir, 'bad.txt'), 'Mã: {{cod}}');
  const set = (file: string) =>
    run(['set', 'MAIL', 'template/verify-email/vi/text', '--tenant', 'lotus', '--file', file]);
  const bad = await set('bad.txt');
  assert.match(bad.stderr, /settings\.value: there is no \{\{cod\}\}/);
  assert.equal(bad.code, 1);
  assert.equal((await set('good.txt')).code, 0);
  const list = await run(['list', '--tenant', 'lotus', '--json']);
  const [entry] = list.json().configurations as Record<string, unknown>[];
  assert.deepEqual(entry?.settings, { value: 'Mã của {{name}}: {{code}}' });
  const key = await run(['set', 'FAX', 'server']);
  assert.equal(key.code, 2);
});
