import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import type { MessageTemplates, TemplateName } from '../../src/features/messaging/index.ts';
import { AppError } from '../../src/kernel/errors.ts';
import { newId } from '../../src/kernel/ids.ts';
import { mailTemplates, sampleValues, smsTemplates } from '../../src/pages/index.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { testRedisUrl } from '../helpers/database.ts';
import { createMailbox, type Mailbox } from '../helpers/mailbox.ts';
import { createSmsGateway } from '../helpers/sms-gateway.ts';
import { becomesTrue, createWorld, eventsOf, startTwin } from './support.ts';

const clock = createFakeClock();
const [own, platform, gateway] = await Promise.all([
  createMailbox(),
  createMailbox(),
  createSmsGateway(),
]);
const addressOf = ({ url }: Mailbox | { url: string }) => new URL(url);
const world = await createWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: [own, gateway].map((one) => addressOf(one).host).join() },
  overrides: { clock },
});
const { configurations, messenger, metrics, postgres, posts } = world.deps;
const { tenantId } = world.people;
posts.start();

let count = 0;
async function send<T extends TemplateName>(
  template: T,
  to: string | null,
  more: { locale?: string; values?: object; tenantId?: string } = {},
) {
  count += 1;
  const values = { ...sampleValues[template], ...more.values };
  await messenger.send(`test-${count}`, {
    template,
    to,
    tenantId: more.tenantId ?? tenantId,
    locale: more.locale ?? 'en',
    values: values as unknown as MessageTemplates[T],
    expiresAt: clock.now() + 3_600_000,
  });
}

/** Settings of a mail server on loopback. */
const serverAt = (mailbox: Mailbox, from = 'Lotus <no-reply@lotus.example>') => ({
  host: '127.0.0.1',
  port: Number(addressOf(mailbox).port),
  security: 'none',
  from,
});

const SERVER = { group: 'MAIL', key: 'server' } as const;
const PROVIDER = { group: 'SMS', key: 'provider' } as const;

const fails = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AppError, String(error));
  assert.equal(error.code, code);
  assert.match(JSON.stringify([error.message, error.options.errors]), text);
  return true;
};

const counted = async (line: string): Promise<boolean> =>
  (await metrics.renderMetrics()).includes(line);

test('without a server or provider people sign in, and messages fail clearly and are counted', async () => {
  assert.equal((await fetch(`${world.url}/health/ready`)).status, 200);
  assert.equal(await messenger.isReady('mail', tenantId), false);
  assert.equal(await messenger.isReady('sms'), false);
  await assert.rejects(
    send('email-auth', 'an@lotus.example'),
    fails('IDENT_UNAVAILABLE', /no mail server is configured/),
  );
  // The same for nobody, so that it tells nothing.
  await assert.rejects(send('email-auth', null), fails('IDENT_UNAVAILABLE', /no mail server/));
  await assert.rejects(
    send('phone-auth', '+84901234567'),
    fails('IDENT_UNAVAILABLE', /no SMS provider is configured/),
  );
  assert.ok(await counted('auth_mail_total{result="refused"} 3'));
  assert.ok(await counted('auth_sms_total{result="refused"} 2'));
});

test('every mail arrives in both languages, in the name of its tenant, with nothing left open', async () => {
  await configurations.set(
    { tenantId: null, ...SERVER },
    { settings: serverAt(platform, 'Gatehouse <id@example.org>') },
  );
  assert.equal(await messenger.isReady('mail', tenantId), true);
  for (const template of mailTemplates) {
    for (const locale of ['en', 'vi']) {
      const to = `${template}.${locale}@example.org`;
      await send(template, to, { locale: `fr ${locale}-VN` });
      const mail = await platform.take(to);
      assert.equal(mail.from, 'id@example.org');
      const words = `${mail.subject}\n${mail.text}\n${mail.html.replace(/<style>.*<\/style>/s, '')}`;
      assert.doesNotMatch(words, /\{|\}|undefined|<%/, to);
      assert.match(mail.text, locale === 'vi' ? /Xin chào/ : /Hello/, to);
      assert.match(mail.html, /Lotus Health/, to);
      // The tenant's colour.
      assert.match(mail.html, /#0f766e/, to);
      const { code, link } = sampleValues[template];
      for (const value of [code, link]) {
        if (value !== undefined) assert.ok(mail.text.includes(String(value)), to);
        if (value !== undefined) assert.ok(mail.html.includes(String(value)), to);
      }
      assert.doesNotMatch(mail.raw.slice(0, mail.raw.indexOf('\r\n\r\n')), /048213/);
    }
  }
});

test('where nobody said which language, it is that of the tenant', async () => {
  await postgres.knex('tenants').where({ id: tenantId }).update({ locale: 'vi' });
  clock.advance(1_001);
  await send('welcome', 'tenant-language@example.org', { locale: 'fr' });
  assert.match((await platform.take('tenant-language@example.org')).text, /Xin chào/);
  await send('welcome', 'nowhere@example.org', { locale: 'fr', tenantId: newId() });
  assert.match((await platform.take('nowhere@example.org')).text, /Hello.*Gatehouse/s);
});

test('the server of a tenant goes before that of the platform, for that tenant only', async () => {
  await configurations.set({ tenantId, ...SERVER }, { settings: serverAt(own) });
  await send('welcome', 'own@example.org');
  assert.equal((await own.take('own@example.org')).from, 'no-reply@lotus.example');
  await send('welcome', 'other@example.org', { tenantId: newId() });
  await platform.take('other@example.org');
  await configurations.unset({ tenantId, ...SERVER });
  await send('welcome', 'back@example.org');
  await platform.take('back@example.org');
});

test('the server of a tenant is reached if it is public, and no other (SSRF)', async () => {
  const before = platform.mails.length;
  for (const host of ['127.0.0.1', 'localhost', '169.254.169.254', '::1']) {
    await configurations.set(
      { tenantId, ...SERVER },
      { settings: { ...serverAt(platform), host } },
    );
    await assert.rejects(posts.test('mail', 'x@example.org', tenantId, 'en'), /not at a public/);
  }
  assert.equal(platform.mails.length, before);
  await configurations.unset({ tenantId, ...SERVER });
});

test('every SMS goes out by the provider of its tenant', async () => {
  await configurations.set(
    { tenantId, ...PROVIDER },
    {
      settings: {
        kind: 'http',
        url: `${gateway.url}/send`,
        headers: { 'X-Api-Key': '{credentials.key}' },
        body: { type: 'json', template: { to: '{to}', text: '{text}' } },
      },
      credentials: { key: 'k3y' },
    },
  );
  for (const template of smsTemplates) {
    for (const locale of ['en', 'vi']) {
      await send(template, '+84901234567', { locale });
      const { headers, body } = await gateway.take();
      assert.equal(headers['x-api-key'], 'k3y');
      const { to, text } = JSON.parse(body);
      assert.equal(to, '+84901234567');
      assert.match(text, /048213.*Lotus Health/);
      assert.doesNotMatch(text, /[{}<>]/);
    }
  }
});

test('credentials are sealed, never told, and never sent to another place than they were for', async () => {
  const [listed] = await configurations.list(tenantId);
  assert.equal(listed?.hasCredentials, true);
  assert.doesNotMatch(JSON.stringify(listed), /k3y|sealed/);
  const row = await postgres.knex('configurations').where({ id: listed?.id }).first();
  assert.ok(!row.credentials_sealed.toString('latin1').includes('k3y'));
  const settings = { ...listed?.settings, isPlain: true };
  const kept = await configurations.set({ tenantId, ...PROVIDER }, { settings });
  assert.deepEqual([kept.hasCredentials, kept.version], [true, 2]);
  for (const elsewhere of [
    { ...settings, url: 'https://thief.example/send' },
    { ...settings, headers: { 'X-Api-Key': '{credentials.other}' } },
    {
      ...{ kind: 'vnpay', url: `${gateway.url}/send` },
      ...{ sender: 'LOTUS', keyword: 'OTP', partnerCode: 'lotus' },
    },
  ]) {
    await assert.rejects(
      configurations.set({ tenantId, ...PROVIDER }, { settings: elsewhere }),
      fails('IDENT_VALIDATION', /credentials.*must be given/),
    );
  }
  await assert.rejects(
    configurations.set({ tenantId, ...PROVIDER }, { settings, version: 1 }),
    fails('IDENT_STALE_VERSION', /./),
  );
  const told = await eventsOf(world.deps, 'identity.configuration.changed.v1');
  assert.ok(told.length > 5);
  assert.doesNotMatch(JSON.stringify(told), /k3y|lotus\.example/);
});

const bad: [object, RegExp][] = [
  [{ kind: 'http', url: 'ftp://x.example', body: null }, /url/],
  [{ kind: 'http', url: 'https://user:pw@x.example/{to}/{text}' }, /url/],
  [{ kind: 'http', url: 'https://{to}.example/{to}/{text}' }, /url/],
  [{ kind: 'http', url: 'https://x.example/{to}' }, /do not use \{text\}/],
  [{ kind: 'http', url: 'https://x.example/{text}' }, /neither \{to\}/],
  [{ kind: 'http', url: 'https://x.example/{to}/{text}/{env}' }, /\{env\}, which there is not/],
  [
    { kind: 'http', url: 'https://x.example/{to}/{text}', headers: { Host: 'y' } },
    /headers of the connection/,
  ],
  [
    { kind: 'http', url: 'https://x.example/{to}/{text}', headers: { 'X-A': 'a\r\nB: c' } },
    /one line/,
  ],
  [{ kind: 'other' }, /kind/],
];

test('settings that could not work, or could do more, are refused', async () => {
  for (const [settings, reason] of bad) {
    await assert.rejects(configurations.set({ tenantId, ...PROVIDER }, { settings }), (error) => {
      assert.match(`${String(error)} ${JSON.stringify(error)}`, reason);
      return true;
    });
  }
  const server = serverAt(platform);
  for (const [settings, reason] of [
    [{ ...server, user: 'an' }, /must be tls or starttls/],
    [{ ...server, host: 'a b' }, /host name/],
    [{ ...server, from: 'x\r\nBcc: y@example.org' }, /from/],
    [{ ...server, port: 0 }, /port/],
    [{ ...server, password: 'x' }, /password/],
  ] as [object, RegExp][]) {
    await assert.rejects(configurations.set({ tenantId, ...SERVER }, { settings }), reason);
  }
  await assert.rejects(
    configurations.set({ tenantId, group: 'MAIL', key: 'other' }, { settings: {} }),
    fails('IDENT_VALIDATION', /key/),
  );
  await assert.rejects(
    configurations.set({ tenantId: newId(), ...SERVER }, { settings: server }),
    fails('IDENT_VALIDATION', /tenantId/),
  );
  await assert.rejects(
    configurations.unset({ tenantId, ...SERVER }),
    fails('IDENT_NOT_FOUND', /./),
  );
});

const part = (name: string, group: 'MAIL' | 'SMS' = 'MAIL') => ({
  tenantId,
  group,
  key: `template/${name}`,
});
const write = (place: ReturnType<typeof part>, value: string) =>
  configurations.set(place, { settings: { value } });

test('a message in words of an administrator: names take their place once, as text, and nothing runs', async () => {
  await write(part('verify-email/en/subject'), 'Is this you, {{name}}?');
  await write(part('verify-email/en/text'), 'Hi {{ name }}: {{code}} <%= process.exit(1) %>');
  await write(
    part('verify-email/en/html'),
    '<h1>{{name}}</h1><p>{{code}}</p><a href="{{link}}">Go</a><%~ 1+1 %>',
  );
  await write(part('verify-phone/en/text', 'SMS'), '{{brand}}: {{code}}');
  const name = '<img src=x onerror=alert(1)> {{code}} {{constructor}}\r\nBcc: x@example.org';
  await send('verify-email', 'words@example.org', { values: { name } });
  const mail = await platform.take('words@example.org');
  assert.match(mail.subject, /^Is this you, <img .*\{\{code\}\} \{\{constructor\}\} Bcc: /);
  assert.match(
    mail.text,
    /\{\{code\}\} \{\{constructor\}\} Bcc: x@example\.org: 048213 <%= process/,
  );
  assert.match(mail.html, /<h1>&lt;img src=x onerror=alert\(1\)&gt; \{\{code\}\}/);
  assert.match(mail.html, /<a href="https:\/\/id\.example\/verify\/[^"]+">Go<\/a><%~ 1\+1 %>/);
  assert.match(mail.html, /^<!DOCTYPE html>/);
  await send('verify-phone', '+84901234567');
  assert.equal(JSON.parse((await gateway.take()).body).text, 'Lotus Health: 048213');
  // Another language, and another tenant, keep ours.
  await send('verify-email', 'theirs@example.org', { tenantId: newId() });
  assert.match((await platform.take('theirs@example.org')).subject, /^Confirm your e-mail/);
});

test('what the platform wrote holds for every tenant that did not write that part', async () => {
  const place = { tenantId: null, group: 'MAIL' as const, key: 'template/verify-email/en/subject' };
  await configurations.set(place, { settings: { value: 'From the platform' } });
  await configurations.unset(part('verify-email/en/subject'));
  await send('verify-email', 'mixed@example.org');
  const { subject, text } = await platform.take('mixed@example.org');
  assert.equal(subject, 'From the platform');
  assert.match(text, /^Hi /);
});

test('a part that is wrong is refused before it is saved, naming what is wrong', async () => {
  const refusals: [string, string, RegExp][] = [
    ['verify-email/en/text', 'Code {{cod}}', /there is no \{\{cod\}\}; there are: brand, code/],
    ['verify-email/en/text', 'Hello', /must hold \{\{code\}\} or \{\{link\}\}/],
    ['verify-email/en/text', '{{code}} {{#if name}}', /braces that are no placeholder/],
    ['verify-email/en/text', '{{code}} {{constructor}}', /there is no/],
    ['verify-email/en/subject', 'Code {{code}}', /must not hold \{\{code\}\}/],
    ['verify-email/en/subject', 'a\nb', /more than one line/],
    ['verify-email/en/html', '<script>{{code}}</script>', /no mail may have/],
    ['verify-email/en/html', '{{code}}<img src=x onerror=y>', /no mail may have/],
    ['verify-email/en/html', '{{code}}<a href="{{name}}">', /address other than \{\{link\}\}/],
    ['verify-email/en/html', '{{code}}<a title={{name}}>', /without quotes/],
    ['verify-email/en/html', '<style>{{code}}</style>', /in a style or a tag/],
    ['verify-email/en/html', '{{code}}<p {{name}}>', /in a style or a tag/],
    ['verify-email/fr/text', '{{code}}', /language/],
    ['verify-phone/en/text', '{{code}}', /no mail/],
    ['unknown/en/text', '{{code}}', /no mail/],
  ];
  for (const [name, value, reason] of refusals) {
    await assert.rejects(write(part(name), value), fails('IDENT_VALIDATION', reason), value);
  }
  await assert.rejects(
    write(part('verify-phone/en/html', 'SMS'), '{{code}}'),
    fails('IDENT_VALIDATION', /settings\.value.*an SMS has not/),
  );
  await assert.rejects(
    write(part('verify-phone/en/text', 'SMS'), `{{code}}${'x'.repeat(300)}`),
    fails('IDENT_VALIDATION', /longer than 300/),
  );
});

test('another process follows within two seconds', async () => {
  const twin = await startTwin(world, { clock });
  const place = part('welcome/en/subject');
  const seen = async () =>
    (await twin.deps.configurations.written(tenantId, 'MAIL', 'welcome', 'en')).subject;
  assert.equal(await seen(), undefined);
  await write(place, 'Come in');
  assert.equal(await seen(), undefined);
  clock.advance(2_001);
  assert.equal(await seen(), 'Come in');
});

test('nothing of a message that was sent is left, neither in Redis nor in the log', async () => {
  const redis = new Redis(testRedisUrl());
  after(() => redis.disconnect());
  const prefix = `{${world.config.REDIS_PREFIX}queue}`;
  for (const queue of ['mail', 'sms']) {
    const jobs = await redis.keys(`${prefix}:${queue}:test-*`);
    assert.ok(jobs.length >= 3);
    const isEmpty = async () =>
      (await Promise.all(jobs.map((job) => redis.hget(job, 'data')))).every(
        (data) => data === null || data === '{}',
      );
    assert.ok(await becomesTrue(isEmpty, 30_000), queue);
  }
  assert.doesNotMatch(JSON.stringify(world.logs), /048213|example\.org|901234567|k3y/);
});
