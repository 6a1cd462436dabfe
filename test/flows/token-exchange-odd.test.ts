import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { startUpstream } from '../helpers/upstream.ts';
import { oddValue } from './raw-http.ts';
import { createWorld, signInForTokens } from './support.ts';
import { actor, exchangeToken, GRANT, ownToken, tokenType } from './token-exchange-support.ts';

const world = await createWorld({ settings: { OUTBOUND_ALLOWED_HOSTS: 'localhost' } });
const { url, people, deps } = world;
const platform = (await deps.tenants.ensurePlatform()).id;
const client = await seedClient(deps, platform, {
  metadata: { grant_types: ['authorization_code', 'client_credentials', GRANT] },
});
const { accessToken } = await signInForTokens(world);
const upstream = await startUpstream();
const { issuer, jwksUri, audience } = upstream;
await deps.trustedIssuers.add({
  tenantId: people.tenantId,
  issuer,
  jwksUri,
  audience,
  linkBy: 'email',
});

/** What a client may be told when its request is odd; never an error of ours. */
const ERRORS = ['invalid_request', 'invalid_scope', 'invalid_target', 'invalid_grant'];

const good = { ...actor(await ownToken(url, client)), scope: 'openid', tenant: people.tenantId };

test('an odd value in any parameter is refused or makes no difference (ASVS 16.5.3)', async () => {
  const parameters = [
    'subject_token',
    'subject_token_type',
    'actor_token',
    'actor_token_type',
    'requested_token_type',
    'resource',
    'audience',
    'scope',
    'tenant',
  ];
  for (const name of parameters) {
    await fc.assert(
      fc.asyncProperty(oddValue, async (value) => {
        const more = { ...good, [name]: value };
        const { status, body } = await exchangeToken(url, client, accessToken, more);
        if (status === 200) return;
        assert.equal(status, 400, `${name}: ${JSON.stringify(body)}`);
        assert.ok(ERRORS.includes(String(body.error)), `${name}: ${body.error}`);
      }),
      { numRuns: 25 },
    );
  }
});

test('an odd value in any claim of a signed foreign token is refused or makes no difference', async () => {
  const names = ['iss', 'aud', 'sub', 'exp', 'iat', 'nbf', 'azp', 'email', 'act', 'may_act', 'cnf'];
  const value = fc.oneof(oddValue, fc.jsonValue(), fc.double({ noNaN: true }));
  for (const name of names) {
    await fc.assert(
      fc.asyncProperty(value, async (odd) => {
        const claims = { email: people.user.email, email_verified: true, [name]: odd };
        const token = await upstream.sign(claims);
        const { status, body } = await exchangeToken(url, client, token, {
          subject_token_type: tokenType('jwt'),
        });
        if (status === 200) return;
        assert.equal(status, 400, `${name}=${JSON.stringify(odd)}: ${JSON.stringify(body)}`);
        assert.equal(body.error, 'invalid_request', name);
      }),
      { numRuns: 25, examples: [[Number.POSITIVE_INFINITY], [Number.NEGATIVE_INFINITY]] },
    );
  }
});
