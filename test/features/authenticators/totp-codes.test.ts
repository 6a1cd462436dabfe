import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret, TOTP, URI } from 'otpauth';
import { findStep, readCode } from '../../../src/features/totp/codes.ts';
import { qrCode, toBase32, toUri } from '../../../src/features/totp/uri.ts';
import fc from '../../helpers/fast-check.ts';

/** The code that an app shows, by an implementation that shares nothing with ours. */
const shown = (seed: Buffer, milliseconds: number): string =>
  new TOTP({ secret: new Secret({ buffer: new Uint8Array(seed).buffer }) }).generate({
    timestamp: milliseconds,
  });

const seeds = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
/** Until the year 2100. */
const instants = fc.integer({ min: 60_000, max: 4_102_444_800_000 });

test('1,000 random seeds and times: what an independent app shows is found at its step (RFC 6238 4)', () => {
  const property = fc.property(seeds, instants, (seed, now) => {
    const step = Math.floor(now / 30_000);
    assert.equal(findStep(seed, shown(seed, now), { now, lastStep: null }), step);
    assert.equal(findStep(seed, shown(seed, now), { now, lastStep: step }), undefined);
  });
  fc.assert(property, { numRuns: 1_000 });
});

test('the vectors of RFC 6238 appendix B, their last six digits', () => {
  const seed = Buffer.from('12345678901234567890');
  const vectors: [seconds: number, code: string][] = [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ];
  for (const [seconds, code] of vectors) {
    const step = findStep(seed, code, { now: seconds * 1_000, lastStep: null });
    assert.equal(step, Math.floor(seconds / 30), code);
  }
});

test('a step either way is taken, to the millisecond, and none beyond (RFC 6238 5.2, ASVS 6.5.5)', () => {
  const seed = Buffer.from('3132333435363738393031323334353637383930', 'hex');
  const step = 58_000_000;
  const begin = step * 30_000;
  const code = shown(seed, begin);
  for (const now of [begin - 30_000, begin, begin + 29_999, begin + 30_000, begin + 59_999]) {
    assert.equal(findStep(seed, code, { now, lastStep: null }), step, String(now - begin));
  }
  for (const now of [begin - 30_001, begin + 60_000, begin + 3_600_000]) {
    assert.equal(findStep(seed, code, { now, lastStep: null }), undefined, String(now - begin));
  }
});

test('a clock that goes back opens no step again, however far', () => {
  const seed = Buffer.alloc(20, 7);
  for (const back of [30_000, 60_000, 86_400_000]) {
    const now = 1_800_000_000_000 - back;
    const lastStep = 60_000_000;
    assert.equal(findStep(seed, shown(seed, now), { now, lastStep }), undefined);
  }
});

test('codes are read as people type them; nothing else is a code', () => {
  assert.equal(readCode(' 123 456\n'), '123456');
  assert.equal(readCode('１２３４５６'), '123456');
  for (const typed of ['', '12345', '1234567', '12345a', '-12345', '1e5', '٠١٢٣٤٥']) {
    assert.equal(readCode(typed), undefined, typed);
  }
});

test('the URI has issuer and account, whatever is in their names', async () => {
  const seed = Buffer.alloc(20, 0xa5);
  const names: [issuer: string, label: string, shownIssuer: string, shownLabel: string][] = [
    ['Lotus Health', 'an@lotus.example', 'Lotus Health', 'an@lotus.example'],
    ['Bệnh viện Hoa Sen', 'Nguyễn Thị An', 'Bệnh viện Hoa Sen', 'Nguyễn Thị An'],
    ['Clinic: North', 'a:b:c', 'Clinic - North', 'a - b - c'],
    ['50% & more?#', 'a/b+c=d', '50% & more?#', 'a/b+c=d'],
    ['Line\nbreak', '\ud800 lone', 'Line break', '\ufffd lone'],
  ];
  for (const [issuer, label, shownIssuer, shownLabel] of names) {
    const uri = toUri(seed, { issuer, label });
    const read = URI.parse(uri);
    assert.ok(read instanceof TOTP);
    assert.deepEqual(
      [read.issuer, read.label, read.secret.base32, read.algorithm, read.digits, read.period],
      [shownIssuer, shownLabel, toBase32(seed), 'SHA1', 6, 30],
    );
    assert.match(await qrCode(uri), /^<svg [^>]*viewBox="0 0 (\d+) \1"/);
  }
});

test('the longest names still make a QR code, without script or style', async () => {
  const uri = toUri(Buffer.alloc(20), { issuer: '😀'.repeat(400), label: 'ễ'.repeat(900) });
  const read = URI.parse(uri);
  assert.equal([...read.issuer].length, 48);
  assert.equal([...read.label].length, 64);
  assert.doesNotMatch(await qrCode(uri), /script|style|href|on\w+=/);
});
