import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createSealer } from '../../src/infra/sealing.ts';

const [first, second, third] = [randomBytes(32), randomBytes(32), randomBytes(32)];

/** As values were sealed before they named their key. */
function sealOldFormat(key: Buffer, plain: string, associatedData: string): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(associatedData));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(1), iv, cipher.getAuthTag(), body]);
}

test('a sealed value opens under its name and its key only (NIST SP 800-38D)', () => {
  const sealer = createSealer(first);
  const sealed = sealer.seal('secret', 'table:row');
  assert.equal(sealer.open(sealed, 'table:row').toString(), 'secret');
  assert.throws(() => sealer.open(sealed, 'table:other'));
  assert.throws(
    () => createSealer(second).open(sealed, 'table:row'),
    /unable to authenticate data/,
  );
  assert.notDeepEqual(sealer.seal('secret', 'table:row'), sealed);
});

test('a value that was changed in any byte does not open', () => {
  const sealer = createSealer(first, [second]);
  const sealed = sealer.seal('secret', 'x');
  for (let i = 0; i < sealed.length; i += 1) {
    const changed = Buffer.from(sealed);
    changed[i] = (changed[i] ?? 0) ^ 1;
    assert.throws(() => sealer.open(changed, 'x'), `byte ${i}`);
  }
  for (const length of [0, 1, 5, 10, 32]) {
    assert.throws(() => sealer.open(sealed.subarray(0, length), 'x'), `${length} bytes`);
  }
});

test('of two keys the first seals and both open, whichever is first', () => {
  const before = createSealer(first, [second]);
  const after = createSealer(second, [first]);
  for (const [one, other] of [
    [before, after],
    [after, before],
  ] as const) {
    const sealed = one.seal('secret', 'x');
    assert.equal(other.open(sealed, 'x').toString(), 'secret');
    assert.ok(sealed.subarray(0, one.prefix.length).equals(one.prefix));
  }
  assert.notDeepEqual(before.prefix, after.prefix);
  assert.throws(() => createSealer(second).open(before.seal('secret', 'x'), 'x'));
  assert.throws(() => createSealer(third, [second]).open(before.seal('s', 'x'), 'x'), /under key/);
});

test('values of before they named their key still open, under any key that is here', () => {
  const old = sealOldFormat(first, 'secret', 'x');
  assert.equal(createSealer(first).open(old, 'x').toString(), 'secret');
  assert.equal(createSealer(second, [first]).open(old, 'x').toString(), 'secret');
  assert.throws(() => createSealer(second, [third]).open(old, 'x'), /unable to authenticate data/);
  assert.throws(() => createSealer(first).open(old, 'y'));
});

test('a key of another length is refused', () => {
  assert.throws(() => createSealer(randomBytes(16)), RangeError);
  assert.throws(() => createSealer(first, [randomBytes(31)]), RangeError);
});
