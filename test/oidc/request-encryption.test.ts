import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CompactEncrypt, calculateJwkThumbprint, compactDecrypt, importJWK } from 'jose';
import { requestEncryptionKey } from '../../src/oidc/request-encryption.ts';

test('every process makes the same key of a secret, and another of another (RFC 9101 6.1)', () => {
  const secret = randomBytes(32);
  assert.deepEqual(requestEncryptionKey(secret), requestEncryptionKey(secret));
  assert.notEqual(
    requestEncryptionKey(secret).published.kid,
    requestEncryptionKey(randomBytes(32)).published.kid,
  );
});

test('what is encrypted to the published half opens by the other, which is not published', async () => {
  for (let round = 0; round < 50; round += 1) {
    const { own, published } = requestEncryptionKey(randomBytes(32));
    assert.ok(!('d' in published));
    assert.equal(published.kid, await calculateJwkThumbprint(published));
    const jwe = await new CompactEncrypt(new TextEncoder().encode('a request'))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
      .encrypt(await importJWK(published, 'ECDH-ES'));
    const { plaintext } = await compactDecrypt(jwe, await importJWK(own, 'ECDH-ES'));
    assert.equal(new TextDecoder().decode(plaintext), 'a request');
  }
});
