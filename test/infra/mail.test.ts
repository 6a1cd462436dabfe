import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { createLogger } from '../../src/infra/logger.ts';
import { createMailer } from '../../src/infra/mail.ts';
import { createOutbound } from '../../src/infra/outbound.ts';
import type { PostResult } from '../../src/infra/post.ts';
import { createQueues } from '../../src/infra/queues.ts';
import { createSealer } from '../../src/infra/sealing.ts';
import { Secret } from '../../src/kernel/crypto.ts';
import {
  createMessageRenderer,
  type MailTemplate,
  type TemplateRequest,
} from '../../src/pages/index.ts';
import { becomesTrue } from '../flows/support.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';
import { createMailbox } from '../helpers/mailbox.ts';

const mailbox = await createMailbox();
const clock = createFakeClock();
const logs: string[] = [];
const log = createLogger({
  level: 'debug',
  destination: { write: (line) => void logs.push(line) },
});
const results: PostResult[] = [];
type MailRequest = TemplateRequest<MailTemplate>;
const renderer = createMessageRenderer({
  viewsDir: new URL('../../views/', import.meta.url),
  localesDir: new URL('../../locales/', import.meta.url),
});

const FROM = 'Gatehouse <no-reply@gatehouse.example>';
const outbound = createOutbound([]);
after(() => outbound.close());

/** A mailer with a queue of its own; `url` is where its mail server is said to be. */
function startMailer(url: string | (() => string) | undefined) {
  const queues = createQueues({ url: testRedisUrl(), prefix: redisPrefix(), log });
  const server = () => {
    const at = typeof url === 'function' ? url() : url;
    return at && { id: at, from: FROM, at: new Secret(at), isGuarded: false };
  };
  const mailer = createMailer<MailRequest>({
    findServer: async () => server() || undefined,
    retries: { attempts: 8, backoff: 200 },
    outbound,
    folder: null,
    from: FROM,
    queues,
    sealer: createSealer(randomBytes(32)),
    clock,
    log,
    tenantOf: () => undefined,
    render: async (request) => renderer.mail(request),
    onResult: (result) => void results.push(result),
  });
  mailer.start();
  after(async () => {
    await queues.close();
    mailer.close();
  });
  return mailer;
}

const mailer = startMailer(mailbox.url);

const request = (values: Record<string, string> = {}): MailRequest => ({
  template: 'ciba-approval',
  locale: 'en',
  brand: { name: values.brand ?? 'Lotus', colour: null, logoUrl: null },
  zoneinfo: null,
  values: {
    name: 'An',
    client: 'Acme',
    message: '',
    minutes: 5,
    link: 'https://id.example/approve/x',
    ...values,
  },
});

const send = (id: string, to: string | null, values?: Record<string, string>) =>
  mailer.enqueue(id, { to, request: request(values), expiresAt: clock.now() + 60_000 });

test('a mail goes out once for one id, in text and HTML, from the configured sender', async () => {
  await Promise.all([1, 2, 3].map(() => send('once', 'once@example.org')));
  const mail = await mailbox.take('once@example.org');
  await send('next', 'next@example.org');
  await mailbox.take('next@example.org');
  assert.equal(mailbox.mails.filter(({ to }) => to.includes('once@example.org')).length, 1);
  assert.equal(mail.from, 'no-reply@gatehouse.example');
  // Made of the id alone: whatever sends it again, readers know it by this (RFC 5322 3.6.4).
  const id = createHash('sha256').update('once').digest('hex').slice(0, 40);
  assert.match(mail.raw, new RegExp(`^Message-ID: <${id}@gatehouse\\.example>\r?$`, 'im'));
  assert.equal(mail.subject, 'Acme asks you to confirm a sign-in');
  assert.match(mail.text, /https:\/\/id\.example\/approve\/x/);
  assert.match(mail.html, /href="https:\/\/id\.example\/approve\/x"/);
});

test('nothing that a client or person is called adds a header, a line or markup', async () => {
  const evil = 'Evil\r\nBcc: victim@example.org\r\n\r\nInjected <script>alert(1)</script>';
  await send('evil', 'evil@example.org', { client: evil, name: evil, brand: evil });
  const { raw, subject, text, html, to } = await mailbox.take('evil@example.org');
  const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
  assert.doesNotMatch(head, /^Bcc:/im);
  assert.deepEqual(to, ['evil@example.org']);
  assert.match(subject, /^Evil Bcc: victim@example\.org Injected/);
  assert.doesNotMatch(text, /^(Bcc|Injected)/m);
  assert.doesNotMatch(html, /<script/);
});

test('an address that is none, or is several, is refused before it is queued', async () => {
  for (const to of ['', 'x', 'a@b.example, c@d.example', 'a@b.example\r\nBcc: c@d.example']) {
    await assert.rejects(send(`bad-${to.length}`, to), to);
  }
});

test('a mail to nobody, and one that comes too late, are not sent', async () => {
  const before = mailbox.mails.length;
  await send('nobody', null);
  await mailer.enqueue('late', {
    to: 'late@example.org',
    request: request(),
    expiresAt: clock.now() - 1,
  });
  assert.ok(await becomesTrue(() => results.includes('expired'), 30_000));
  assert.equal(mailbox.mails.length, before);
});

test('a mail that the server refuses for good is given up', async () => {
  results.length = 0;
  mailbox.refuseNext(550);
  await send('gone', 'gone@example.org');
  assert.ok(await becomesTrue(() => results.includes('failed'), 30_000));
  assert.deepEqual(results, ['failed']);
});

test('one that it refuses for now is sent later, once', async () => {
  results.length = 0;
  mailbox.refuseNext(451, 450);
  await send('grey', 'grey@example.org');
  await mailbox.take('grey@example.org');
  assert.ok(await becomesTrue(() => results.includes('sent'), 30_000));
  assert.deepEqual(results, ['retried', 'retried', 'sent']);
  assert.equal(mailbox.mails.filter(({ to }) => to.includes('grey@example.org')).length, 1);
});

test('mails wait while a server is down, and arrive when it is back', async () => {
  results.length = 0;
  let url = 'smtp://127.0.0.1:1';
  const later = startMailer(() => url);
  await later.enqueue('waiting', {
    to: 'waiting@example.org',
    request: request(),
    expiresAt: clock.now() + 60_000,
  });
  assert.ok(await becomesTrue(() => results.includes('retried'), 30_000));
  url = mailbox.url;
  await mailbox.take('waiting@example.org');
});

test('a server that is down costs the one who asks nothing', async () => {
  results.length = 0;
  const lost = startMailer('smtp://127.0.0.1:1');
  await lost.enqueue('down', {
    to: 'down@example.org',
    request: request(),
    expiresAt: clock.now() + 60_000,
  });
  assert.ok(await becomesTrue(() => results.includes('retried'), 30_000));
});

test('without a server nothing is ready, and that is counted', async () => {
  const none = startMailer(undefined);
  results.length = 0;
  assert.equal(await none.isReady(), false);
  assert.deepEqual(results, ['refused']);
});

test('no address, link or name is in the log', () => {
  const text = logs.join('');
  assert.match(text, /mail not sent/);
  assert.doesNotMatch(text, /example\.org|id\.example|smtp:/);
});
