import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, parseConfig } from '../../src/config.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { complete, requestOf, seedRelyingParty } from './conformance-support.ts';
import { createWorld, type World } from './support.ts';

/** PROFILE=conformance: what it changes, for whom, and that nobody has it by accident. */
const standard = await createWorld();
const world = await createWorld({ settings: { GATEHOUSE_PROFILE: 'conformance' } });

const SUITE = 'https://www.certification.openid.net/test/a/gatehouse/callback';
const LOCAL_SUITE = 'https://localhost.emobix.co.uk:8443/test/a/gatehouse/callback';

const seed = (where: World, redirect_uris: string[], metadata: Record<string, unknown> = {}) =>
  seedRelyingParty(where, { redirect_uris, require_pkce: undefined, ...metadata });

async function isRefused(where: World, redirectUris: string[], metadata = {}): Promise<boolean> {
  const client = await seed(where, redirectUris, metadata);
  const query = requestOf(client, { prompt: 'none' });
  const { url } = await createUserAgent(where.url).follow(`/authorize?${query}`);
  const error = url.searchParams.get('error');
  if (error === 'invalid_request') return true;
  assert.equal(error, 'login_required');
  return false;
}

const production = {
  NODE_ENV: 'production',
  ISSUER: 'https://id.example',
  DATABASE_URL: 'postgres://localhost/x',
  REDIS_URL: 'redis://localhost',
  KEY_ENCRYPTION_KEY: 'x'.repeat(43),
};

test('a client of the test suite needs no PKCE under its profile, local or hosted', async () => {
  for (const redirectUri of [SUITE, LOCAL_SUITE]) {
    const client = await seed(world, [redirectUri]);
    const { idToken } = await complete(world, client);
    assert.equal(idToken.payload.aud, client.clientId);
  }
});

test('without the profile it needs PKCE like everybody (RFC 9700 2.1.1)', async () => {
  assert.equal(await isRefused(standard, [SUITE]), true);
});

test('under the profile everybody else still needs PKCE', async () => {
  assert.equal(await isRefused(world, [SUITE]), false);
  const others: [string[], Record<string, unknown>?][] = [
    [['https://rp.example/callback']],
    [[SUITE, 'https://rp.example/callback']],
    [['https://www.certification.openid.net.evil.example/callback']],
    [['https://www.certification.openid.net@evil.example/callback']],
    [['https://evil.example/www.certification.openid.net']],
    [[SUITE], { token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] }],
    [[SUITE], { require_pkce: true }],
  ];
  for (const [redirectUris, metadata] of others) {
    assert.equal(await isRefused(world, redirectUris, metadata), true, redirectUris.join());
  }
});

test('the profile is said aloud at every start', () => {
  const said = (where: World) =>
    where.logs.some(
      ({ level, msg }) => level === 'warn' && /PROFILE=conformance/.test(String(msg)),
    );
  assert.equal(said(world), true);
  assert.equal(said(standard), false);
});

test('requests of ours may reach the hosts of the suite under its profile alone', () => {
  assert.deepEqual(standard.config.suiteHosts, []);
  assert.deepEqual(
    world.config.suiteHosts,
    [SUITE, LOCAL_SUITE].map((uri) => new URL(uri).hostname),
  );
});

test('production refuses the profile, and a profile or setting that there is not stops the start', () => {
  const problems = (env: Record<string, string>): string => {
    try {
      parseConfig({ ...production, ...env });
      return '';
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return error.message;
    }
  };
  assert.equal(problems({}), '');
  assert.match(problems({ GATEHOUSE_PROFILE: 'conformance' }), /not for production/);
  assert.match(problems({ GATEHOUSE_PROFILE: 'lenient' }), /PROFILE/);
  assert.match(problems({ GATEHOUSE_CONFORMANCE: 'true' }), /not a setting/);
});
