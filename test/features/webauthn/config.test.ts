import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ConfigError, parseConfig } from '../../../src/config.ts';

/** The domain of passkeys, and whose pages may use them. */

const problemsOf = (settings: Record<string, string>): string => {
  try {
    parseConfig({
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://localhost/gatehouse',
      REDIS_URL: 'redis://localhost',
      KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      ISSUER: 'https://login.example.org',
      ...settings,
    });
    return '';
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.join('\n');
  }
};

test('passkeys belong to the host of the issuer or a parent of it, never to another (WebAuthn Level 3, 5.1.2)', () => {
  for (const id of ['login.example.org', 'example.org']) {
    assert.equal(problemsOf({ WEBAUTHN_RP_ID: id }), '');
  }
  for (const id of ['org', 'example.com', 'ogin.example.org', 'a.login.example.org']) {
    assert.match(problemsOf({ WEBAUTHN_RP_ID: id }), /WEBAUTHN_RP_ID/, id);
  }
});

test('further origins are https pages or Android apps', () => {
  const app = `android:apk-key-hash:${'A'.repeat(43)}`;
  assert.equal(problemsOf({ WEBAUTHN_ORIGINS: `https://app.example.org, ${app}` }), '');
  for (const origin of [
    'http://app.example.org',
    'https://app.example.org/',
    'android:other',
    '*',
  ]) {
    assert.match(problemsOf({ WEBAUTHN_ORIGINS: origin }), /WEBAUTHN_ORIGINS/, origin);
  }
});
