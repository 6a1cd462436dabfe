import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { HtmlValidate } from 'html-validate';
import { mailTemplates, smsTemplates } from '../../src/pages/index.ts';
import { startGatehouse } from '../helpers/gatehouse.ts';
import { becomesTrue } from './support.ts';

const production = await startGatehouse();

// What development writes goes to the folder that it runs in.
const folder = await mkdtemp(`${tmpdir()}/dev-`);
const home = process.cwd();
process.chdir(folder);
after(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});
const development = await startGatehouse({ settings: { NODE_ENV: 'development' } });
const { messenger, posts } = development.deps;
posts.start();

/** What is wrong with a document. */
async function faultsOf(html: string, rules: Record<string, 'off'> = {}): Promise<string[]> {
  const validator = new HtmlValidate({ root: true, extends: ['html-validate:recommended'], rules });
  const { results } = await validator.validateString(html);
  return results.flatMap(({ messages }) =>
    messages.map(({ ruleId, message }) => `${ruleId}: ${message}`),
  );
}

const { url } = development;
const get = (path: string) => fetch(`${url}${path}`);
const read = async (path: string) => {
  const response = await get(path);
  assert.equal(response.status, 200, path);
  return response.text();
};

async function keep(channel: string, id: string, content: object | string): Promise<void> {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  await writeFile(`${folder}/.data/${channel}/${id}.json`, text);
}

test('outside development there are no such pages', async () => {
  for (const path of ['/dev/templates', '/dev/inbox', '/dev/templates/welcome/en.html']) {
    assert.equal((await fetch(`${production.url}${path}`)).status, 404, path);
  }
});

test('every template is shown in both languages, its HTML apart and powerless', async () => {
  const list = await read('/dev/templates');
  for (const name of [...mailTemplates, ...smsTemplates]) {
    for (const locale of ['en', 'vi']) {
      const path = `/dev/templates/${name}/${locale}`;
      assert.ok(list.includes(`href="${path}"`), path);
      const page = await read(path);
      assert.match(page, /<pre /);
      assert.doesNotMatch(page, /<script|style="/);
    }
  }
  const shown = await get('/dev/templates/verify-email/vi');
  assert.match(shown.headers.get('content-security-policy') ?? '', /frame-src 'self'/);
  assert.match(await shown.text(), /<iframe [^>]*sandbox=""/);
  const frame = await get('/dev/templates/verify-email/vi.html');
  const policy = frame.headers.get('content-security-policy') ?? '';
  assert.match(policy, /^default-src 'none';.*frame-ancestors 'self'; sandbox$/);
  assert.doesNotMatch(policy, /script|allow-/);
  assert.match(await frame.text(), /<html lang="vi">/);
});

test('the HTML of mails is valid', async () => {
  for (const name of mailTemplates) {
    const html = await read(`/dev/templates/${name}/en.html`);
    // Mail programs know styles in attributes best, and lay out by tables.
    assert.deepEqual(await faultsOf(html, { 'no-inline-style': 'off' }), [], name);
  }
});

test('what nobody sends is in the inbox, with codes and links at hand', async () => {
  assert.match(await read('/dev/inbox'), /Nothing was sent yet/);
  const { id: tenantId } = await development.deps.tenants.ensurePlatform();
  const common = { tenantId, locale: 'en', expiresAt: Date.now() + 600_000 };
  const link = 'https://id.example/verify/x';
  await messenger.send('one', {
    ...{ ...common, template: 'verify-email', to: 'an@example.org' },
    values: { name: 'An', code: '048213', link, minutes: 15 },
  });
  await messenger.send('two', {
    ...{ ...common, template: 'phone-auth', to: '+84901234567' },
    values: { code: '731900', minutes: 5 },
  });
  const both = async () => /\/sms\/.*\/mail\/|\/mail\/.*\/sms\//s.test(await read('/dev/inbox'));
  assert.ok(await becomesTrue(both, 30_000));
  const list = await read('/dev/inbox');
  assert.match(list, /Confirm your e-mail address for Gatehouse/);
  const [href = ''] = /\/dev\/inbox\/mail\/[^"]+/.exec(list) ?? [];
  const mail = await read(href);
  assert.match(mail, /message-code">048213</);
  assert.match(mail, /<a href="https:\/\/id\.example\/verify\/x">/);
  assert.match(await read(`${href}.html`), /user-select:all">048213</);
  const [sms = ''] = /\/dev\/inbox\/sms\/[^"]+/.exec(list) ?? [];
  assert.match(await read(sms), /message-code">731900</);
});

test('the inbox is in order, the newest first, and shows hostile mails harmlessly', async () => {
  const at = '2036-11-21T09:30:00.000Z';
  await keep('mail', '2036-11-21T09-30-00.000Z-0a1b2c', {
    ...{
      at,
      to: 'an@example.org',
      subject: '<b>Old</b>',
      text: 'Code 048213, https://x.example/a?b',
    },
    html: '<p onclick="x">048213</p>',
  });
  await keep('sms', '2036-11-21T09-31-00.000Z-0a1b2d', { at, to: '+84901234567', text: '731900' });
  await keep('mail', '2036-11-21T09-32-00.000Z-0a1b2e', 'not JSON');
  await keep('mail', 'other', { at, to: 'x', subject: 'x', text: 'x', html: 'x' });
  const list = await read('/dev/inbox');
  const hrefs = Array.from(
    list.matchAll(/href="(\/dev\/inbox\/\w+\/2036[^"]+)"/g),
    ([, href]) => href,
  );
  assert.deepEqual(hrefs, [
    '/dev/inbox/sms/2036-11-21T09-31-00.000Z-0a1b2d',
    '/dev/inbox/mail/2036-11-21T09-30-00.000Z-0a1b2c',
  ]);
  assert.match(list, /&lt;b&gt;Old&lt;\/b&gt;/);
  const mail = await read(hrefs[1] ?? '');
  assert.match(mail, /<code class="select message-code">048213<\/code>/);
  assert.match(mail, /<a href="https:\/\/x\.example\/a\?b">/);
  assert.match(mail, /an@example\.org/);
  assert.doesNotMatch(mail, /onclick/);
  const frame = await get(`${hrefs[1]}.html`);
  assert.match(frame.headers.get('content-security-policy') ?? '', /sandbox$/);
  assert.match(await read(hrefs[0] ?? ''), /message-code">731900</);
  assert.deepEqual(await faultsOf(list), []);
  assert.deepEqual(await faultsOf(mail), []);
});

test('no other file is read, and no other method answers', async () => {
  for (const path of [
    '/dev/inbox/mail/other',
    '/dev/inbox/mail/..%2f..%2fpackage',
    '/dev/inbox/mail/2036-11-21T09-32-00.000Z-0a1b2e',
    '/dev/inbox/other/2036-11-21T09-30-00.000Z-0a1b2c',
    '/dev/inbox/sms/2036-11-21T09-31-00.000Z-0a1b2d.html',
    '/dev/templates/welcome/fr',
    '/dev/templates/constructor/en',
    '/dev/templates/phone-auth/en.html',
    '/dev/',
  ]) {
    assert.equal((await get(path)).status, 404, path);
  }
  assert.equal((await fetch(`${url}/dev/inbox`, { method: 'POST' })).status, 404);
});
