import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { escapeHtml, initial, linkUrl, plain, webUrl } from '../../src/pages/html.ts';
import { type Brand, brandStylesheet } from '../../src/pages/index.ts';
import fc from '../helpers/fast-check.ts';
import { consent, frame, pages, scenes, tenant, withoutScript } from './fixtures.ts';

const brand: Brand = { ...tenant, logoUrl: 'https://cdn.example.org/logo.svg' };

const payloads = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</title></textarea></bdi></main><svg/onload=alert(1)>',
  '\u202Etxt.exe\u2066\u2069\u2069\u0000&lt;b&gt;{name}<%= 1 %>',
];

/** The tags and attribute names of a page, without any content. */
function skeleton(html: string): string {
  return (html.replace(/"[^"]*"/g, '""').match(/<[^>]*>/g) ?? []).join('');
}

describe('hostile data', () => {
  for (const payload of payloads) {
    it(`changes no tag or attribute of any page: ${JSON.stringify(payload)}`, () => {
      for (const scene of scenes) {
        for (const locale of pages.locales) {
          // The same change with harmless letters, since both make ids and addresses unknown.
          const calm = scene.html(locale, brand, (value) => `${value}x`);
          const hostile = scene.html(locale, brand, (value) => `${value}${payload}`);
          assert.equal(skeleton(hostile), skeleton(calm), scene.name);
          assert.doesNotMatch(hostile, /[\u202A-\u202E\u2066-\u2069]/u, scene.name);
          assert.ok(!hostile.includes('\0'), scene.name);
        }
      }
    });

    it(`replaces whole values safely: ${JSON.stringify(payload)}`, () => {
      for (const scene of scenes) {
        const html = scene.html('en', brand, () => payload);
        assert.doesNotMatch(
          withoutScript(scene.page, html),
          /<script|<img src=x|<svg\/|<%|\son[a-z]+=(?!&)[^&]*"/i,
          scene.name,
        );
      }
    });
  }

  it('never becomes an address other than http, https or one of ours', () => {
    const address = /\s(?:href|src|action)="([^"]*)"/g;
    const bad = [
      'javascript:alert(1)',
      ' JaVaScRiPt:alert(1)',
      'data:text/html,x',
      '//evil.example',
    ];
    for (const value of [...bad, '\\\\evil.example', '/\\evil.example', 'vbscript:x', 'x y']) {
      for (const scene of scenes) {
        for (const [, found = ''] of scene.html('en', brand, () => value).matchAll(address)) {
          assert.match(
            found,
            /^(?:https?:\/\/|\/assets\/|\/account\/|#)/,
            `${scene.name}: ${value}`,
          );
        }
      }
    }
  });

  it('keeps names apart from the words around them', () => {
    const model = consent('en');
    const client = { ...model.client, name: '{brand} <b>' };
    const html = pages.render('consent', { ...model, client }, frame('en', tenant));
    assert.match(html, /<bdi class="name">\{brand\} &lt;b&gt;<\/bdi>/);
  });

  it('cannot reach the brand stylesheet', () => {
    for (const colour of ['red', '#fff', '#ffffff;}', '#ffffff\n', ' #ffffff', '#gggggg', '']) {
      assert.throws(() => brandStylesheet(colour), TypeError, colour);
    }
  });
});

describe('html helpers', () => {
  it('leave no character that could end text or an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        assert.doesNotMatch(escapeHtml(value), /[<>"']|&(?!(?:amp|lt|gt|quot|#39);)/);
        assert.equal(plain(plain(value)), plain(value));
      }),
    );
  });

  it('accept only web addresses, without credentials', () => {
    assert.equal(webUrl('https://a.example/p?q=1'), 'https://a.example/p?q=1');
    assert.equal(webUrl('https://paypal.com@evil.example/'), null);
    assert.equal(webUrl('javascript:alert(1)'), null);
    assert.equal(webUrl(null), null);
    assert.equal(linkUrl('/a?b=c#d'), '/a?b=c#d');
    assert.equal(linkUrl('?ui_locales=vi'), '?ui_locales=vi');
    assert.equal(linkUrl('//evil.example'), null);
    assert.equal(linkUrl('/\\evil.example'), null);
    assert.equal(linkUrl('relative'), null);
  });

  it('find a letter for an app without a logo', () => {
    assert.equal(initial('  “đám mây”'), 'Đ');
    assert.equal(initial('\u202Eabc'), 'A');
    assert.equal(initial('!!!'), '•');
  });
});
