import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitSms, smsLength, withoutMarks } from '../../src/infra/sms-text.ts';
import { createMessageRenderer, type Locale, smsTemplates } from '../../src/pages/index.ts';
import fc from '../helpers/fast-check.ts';

test('lengths are those of 3GPP TS 23.038 and 23.040', () => {
  const segments = (text: string) => {
    const { alphabet, units, segments: count } = smsLength(text);
    return [alphabet, units, count];
  };
  assert.deepEqual(segments(''), ['gsm7', 0, 1]);
  assert.deepEqual(segments('a'.repeat(160)), ['gsm7', 160, 1]);
  assert.deepEqual(segments('a'.repeat(161)), ['gsm7', 161, 2]);
  assert.deepEqual(segments('a'.repeat(306)), ['gsm7', 306, 2]);
  assert.deepEqual(segments('a'.repeat(307)), ['gsm7', 307, 3]);
  assert.deepEqual(segments('€'.repeat(80)), ['gsm7', 160, 1]);
  assert.deepEqual(segments('€'.repeat(81)), ['gsm7', 162, 2]);
  assert.deepEqual(segments('ã'.repeat(70)), ['ucs2', 70, 1]);
  assert.deepEqual(segments('ã'.repeat(71)), ['ucs2', 71, 2]);
  assert.deepEqual(segments('😀'.repeat(35)), ['ucs2', 70, 1]);
});

test('a text keeps its marks where it fits, and loses them where that costs fewer messages', () => {
  const short = 'Mã của bạn: 048213';
  assert.equal(fitSms(short, { isPlain: false }), short);
  assert.equal(fitSms(short, { isPlain: true }), 'Ma cua ban: 048213');
  const long = `${short}. ${'Đừng đưa mã này cho bất kỳ ai. '.repeat(3)}`;
  assert.match(fitSms(long, { isPlain: false }), /^Ma cua ban: 048213\. Dung dua ma nay/);
  assert.equal(smsLength(fitSms(long, { isPlain: false })).segments, 1);
  // Without marks it would still be beyond the basic characters, so nothing is gained.
  const other = `日本 ${'đ'.repeat(80)}`;
  assert.equal(fitSms(other, { isPlain: false }), other);
});

test('for a provider of basic characters nothing else is left', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const fitted = fitSms(text.toWellFormed(), { isPlain: true });
      assert.equal(smsLength(fitted).alphabet, 'gsm7');
      assert.ok(smsLength(withoutMarks(text)).segments >= 1);
    }),
  );
});

test('every short message is one, in either language, for a name of twenty characters', () => {
  const renderer = createMessageRenderer({
    viewsDir: new URL('../../views/', import.meta.url),
    localesDir: new URL('../../locales/', import.meta.url),
  });
  for (const template of smsTemplates) {
    for (const locale of ['en', 'vi'] as Locale[]) {
      for (const isPlain of [true, false]) {
        const brand = { name: 'Bệnh viện Hoa Sen 24', colour: null, logoUrl: null };
        const values = { code: '048213', minutes: 10 };
        const text = renderer.sms({ template, locale, brand, zoneinfo: null, values });
        const length = smsLength(fitSms(text, { isPlain }));
        assert.equal(length.segments, 1, `${template} ${locale}: ${text}`);
      }
    }
  }
  // Most names fit with their marks.
  const text = renderer.sms({
    template: 'phone-auth',
    locale: 'vi',
    brand: { name: 'Hoa Sen', colour: null, logoUrl: null },
    zoneinfo: null,
    values: { code: '048213', minutes: 5 },
  });
  assert.equal(fitSms(text, { isPlain: false }), text);
});
