import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Locale, type LocaleWishes, negotiateLocale } from '../../src/pages/index.ts';
import fc from '../helpers/fast-check.ts';

const table: [string, LocaleWishes, Locale][] = [
  ['nothing asked', {}, 'en'],
  ['a region is cut', { uiLocales: 'vi-VN' }, 'vi'],
  ['script and region are cut', { uiLocales: 'vi-Latn-VN-x-private' }, 'vi'],
  ['case does not matter', { uiLocales: 'VI-vn' }, 'vi'],
  ['the first known of several', { uiLocales: 'fr-CA de vi en' }, 'vi'],
  ['a longer language is no match', { uiLocales: 'vie' }, 'en'],
  ['the request before the cookie', { uiLocales: 'vi', cookie: 'en' }, 'vi'],
  ['the cookie before the browser', { cookie: 'vi', acceptLanguage: 'en' }, 'vi'],
  ['the browser before the tenant', { acceptLanguage: 'vi', tenantDefault: 'en' }, 'vi'],
  ['the tenant last', { acceptLanguage: 'fr', tenantDefault: 'vi' }, 'vi'],
  ['higher q wins', { acceptLanguage: 'en;q=0.5, vi-VN;q=0.9' }, 'vi'],
  ['equal q keeps the order', { acceptLanguage: 'vi, en' }, 'vi'],
  ['q=0 is a refusal', { acceptLanguage: 'vi;q=0, en;q=0.1', tenantDefault: 'vi' }, 'en'],
  ['a wildcard leaves it to the tenant', { acceptLanguage: '*', tenantDefault: 'vi' }, 'vi'],
  ['an unreadable q is dropped', { acceptLanguage: 'vi;q=high, en;q=0.1' }, 'en'],
  ['q above 1 is dropped', { acceptLanguage: 'vi;q=9, en' }, 'en'],
  ['spaces around', { acceptLanguage: '  fr ,  vi ; q=0.8' }, 'vi'],
  ['a garbage request falls through', { uiLocales: '<script>', cookie: 'vi' }, 'vi'],
  ['a garbage cookie falls through', { cookie: '../../vi', acceptLanguage: 'en' }, 'en'],
  ['prototype words are no language', { cookie: '__proto__', uiLocales: 'constructor' }, 'en'],
  ['beyond the limit nothing is read', { acceptLanguage: `${'fr,'.repeat(400)}vi` }, 'en'],
];

describe('negotiateLocale', () => {
  for (const [name, wishes, expected] of table) {
    it(name, () => assert.equal(negotiateLocale(wishes), expected));
  }

  it('answers anything with a language there is', () => {
    const wish = fc.option(fc.string({ unit: 'binary', maxLength: 2000 }), { nil: null });
    fc.assert(
      fc.property(wish, wish, wish, wish, (uiLocales, cookie, acceptLanguage, tenantDefault) => {
        const locale = negotiateLocale({ uiLocales, cookie, acceptLanguage, tenantDefault });
        assert.ok(locale === 'en' || locale === 'vi');
      }),
    );
  });

  it('stays quick on a huge header', () => {
    const start = performance.now();
    // What grows with the square of a header takes minutes.
    negotiateLocale({
      acceptLanguage: `${' '.repeat(1e6)};${','.repeat(1e6)}`,
      cookie: '-'.repeat(1e6),
    });
    assert.ok(performance.now() - start < 10_000);
  });
});
