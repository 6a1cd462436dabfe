import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createMessageRenderer,
  type Locale,
  mailTemplates,
  smsTemplates,
  type TemplateRequest,
} from '../../src/pages/index.ts';

const renderer = createMessageRenderer({
  viewsDir: new URL('../../views/', import.meta.url),
  localesDir: new URL('../../locales/', import.meta.url),
});

const LINK = 'https://id.example/go?a=1&b=2';
const VALUES = {
  name: 'Nguyễn Thị An',
  code: '048213',
  link: LINK,
  minutes: 10,
  linkMinutes: 1440,
  when: '2026-11-21T09:30:00.000Z',
  ip: '203.0.113.7',
  agent: 'Firefox, Linux',
  what: 'email',
  left: 3,
  client: 'Acme Portal',
  message: 'W4SCT',
};

const request = <T>(
  template: T,
  locale: Locale = 'en',
  more: Partial<TemplateRequest<T>> = {},
): TemplateRequest<T> => ({
  template,
  locale,
  brand: { name: 'Lotus Health', colour: '#0f766e', logoUrl: null },
  zoneinfo: null,
  values: VALUES,
  ...more,
});

const text = (html: string): string =>
  html.replace(/<style>.*?<\/style>/gs, '').replace(/<[^>]+>/g, ' ');

describe('mails', () => {
  for (const template of mailTemplates) {
    for (const locale of ['en', 'vi'] as const) {
      it(`${template} is whole in ${locale}, as text and as HTML`, () => {
        const mail = renderer.mail(request(template, locale));
        assert.match(mail.html, new RegExp(`^<!DOCTYPE html>\\n<html lang="${locale}">`));
        for (const part of [mail.subject, mail.text, text(mail.html)]) {
          assert.doesNotMatch(part, /[{}<]|undefined|null|NaN|\[object/);
        }
        // Who it is from, and how a person ends what they did not begin.
        assert.match(mail.text, /Lotus Health/);
        assert.match(mail.text, /If (it wasn’t you|you didn’t|that isn’t you)|Nếu/);
        assert.doesNotMatch(mail.subject, /048213|\n/);
      });
    }
  }

  it('show a code in one piece, and a link as a button and as it is', () => {
    const { html, text: plain } = renderer.mail(request('verify-email'));
    assert.match(html, /user-select:all">048213</);
    assert.match(plain, /^ {4}048213$/m);
    assert.equal(html.match(/href="https:\/\/id\.example\/go\?a=1&amp;b=2"/g)?.length, 2);
    assert.ok(plain.includes(`\n${LINK}\n`));
    assert.match(plain, /code works once, within 10 minutes/);
    assert.match(plain, /link works once, within 24 hours/);
  });

  it('leave out the code or the link that there is none of', () => {
    const without = (name: string) =>
      renderer.mail(request('verify-email', 'en', { values: { ...VALUES, [name]: '' } }));
    assert.doesNotMatch(without('code').text, /code/i);
    assert.doesNotMatch(without('link').text, /link works|https:/);
    assert.doesNotMatch(without('link').html, /href/);
    assert.match(
      renderer.mail(request('welcome', 'en', { values: { name: '', link: LINK } })).text,
      /^Hello,$/m,
    );
  });

  it('say when in words of the language, in the zone of the person where it is known', () => {
    const notice = (locale: Locale, zoneinfo: string | null) =>
      renderer.mail(request('new-sign-in', locale, { zoneinfo })).text;
    assert.match(notice('en', null), /When: 21 November 2026 at 09:30 UTC/);
    assert.match(notice('en', 'Not/AZone'), /09:30 UTC/);
    assert.match(notice('vi', 'Asia/Ho_Chi_Minh'), /Thời gian: .*16:30/);
    assert.match(notice('en', null), /Browser: Firefox, Linux\nFrom the address: 203\.0\.113\.7/);
  });

  it('say which identifier changed', () => {
    const change = (what: string) =>
      renderer.mail(request('identifier-changed', 'en', { values: { ...VALUES, what } })).text;
    assert.match(change('email'), /The e-mail address of your/);
    assert.match(change('phone'), /The phone number of your/);
    assert.match(change('username'), /The username of your/);
  });

  it('say what was done with second factors, each in its own words, and how many codes are left', () => {
    const kinds = [
      ...['app_added', 'app_removed', 'passkey_added', 'passkey_removed', 'passkey_disabled'],
      ...['codes_made', 'code_used', 'challenge_failed', 'reset'],
    ];
    for (const locale of ['en', 'vi'] as const) {
      const notice = (what: string, left = 3) =>
        renderer.mail(request('mfa-changed', locale, { values: { ...VALUES, what, left } })).text;
      const other = notice('other');
      const texts = kinds.map((what) => notice(what));
      assert.equal(new Set([...texts, other]).size, kinds.length + 1);
      assert.equal(new Set([0, 1, 2].map((left) => notice('code_used', left))).size, 3);
    }
    assert.match(
      renderer.mail(request('mfa-changed', 'en', { values: { ...VALUES, what: 'reset' } })).text,
      /If you didn’t ask for this, write to the support of Lotus Health/,
    );
  });

  it('take no markup, line or direction from what a person, tenant or browser is called', () => {
    const evil = 'Evil\r\nBcc: x@example.org <img src=x onerror=alert(1)>\u202Egnp.exe';
    for (const template of mailTemplates) {
      const values = { ...VALUES, name: evil, agent: evil, client: evil, message: evil, ip: evil };
      const mail = renderer.mail(
        request(template, 'en', { values, brand: { name: evil, colour: null, logoUrl: null } }),
      );
      assert.doesNotMatch(mail.html, /<img|\u202E/, template);
      assert.doesNotMatch(mail.subject + mail.text, /\u202E/, template);
      assert.doesNotMatch(mail.text, /^Bcc/m, template);
      assert.doesNotMatch(mail.subject, /[\r\n]/, template);
    }
  });

  it('carry the logo of a tenant that has one, by https only, and its name where it is not loaded', () => {
    const mail = (logoUrl: string | null) =>
      renderer.mail(request('welcome', 'en', { brand: { name: 'Lotus', colour: null, logoUrl } }))
        .html;
    const image = '<img src="https://cdn.example/l.svg?a=1&amp;b" alt="Lotus" ';
    assert.ok(mail('https://cdn.example/l.svg?a=1&b').includes(image));
    for (const other of [null, 'http://cdn.example/l.svg', 'data:image/svg+xml,x', '/l.svg']) {
      assert.doesNotMatch(mail(other), /<img/);
    }
  });

  it('link to web addresses only', () => {
    const values = { ...VALUES, link: 'javascript:alert(1)' };
    assert.doesNotMatch(renderer.mail(request('welcome', 'en', { values })).html, /javascript:/);
  });
});

describe('short messages', () => {
  for (const template of smsTemplates) {
    it(`${template} says the code, for whom and how long, in both languages`, () => {
      for (const locale of ['en', 'vi'] as const) {
        const sms = renderer.sms(request(template, locale));
        assert.match(sms, /048213/);
        assert.match(sms, /Lotus Health/);
        assert.match(sms, /10/);
        assert.doesNotMatch(sms, /[{}\n]/);
      }
    });
  }
});
