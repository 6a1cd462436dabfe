import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import { startSite } from '../helpers/site.ts';
import { createWorld, postForm, randomText } from './support.ts';

/** What becomes of a client whose keys lie somewhere else (`jwks_uri`). */
const site = await startSite();
const world = await createWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: site.host },
  overrides: { outbound: { ca: site.ca } },
});
const { url, deps, people } = world;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] };

/** Asks for a token as a client whose keys are at an address. */
async function authenticate(jwksUri: string) {
  const { clientId } = await seedClient(deps, people.tenantId, {
    metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: jwksUri },
  });
  const assertion = await new SignJWT({ jti: randomText() })
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(url)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(privateKey);
  return postForm(`${url}/token`, {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  });
}

test('keys at an address of the client are read through the guard', async () => {
  const { status, body } = await authenticate(site.put('/jwks.json', jwks));
  assert.equal(status, 200, JSON.stringify(body));
});

test('CVE-2026-55671: keys that cannot be had are an error of the protocol, and say nothing of the inside', async () => {
  const { port } = new URL(url);
  const cases = [
    `https://localhost:${port}/.well-known/jwks.json`,
    'https://127.0.0.1/jwks.json',
    'https://169.254.169.254/latest/meta-data',
    'https://[::ffff:10.0.0.1]/jwks.json',
    `${site.url}/missing.json`,
    site.put('/text.json', 'no JSON'),
    site.put('/array.json', []),
    site.put('/large.json', { keys: [], padding: 'x'.repeat(100_000) }),
    site.on('/moved.json', (_request, response) =>
      response.writeHead(302, { location: '/jwks.json' }).end(),
    ),
    site.on('/dead.json', (_request, response) => response.destroy()),
  ];
  for (const uri of cases) {
    const { status, body } = await authenticate(uri);
    assert.ok(status >= 400 && status < 500, `${uri}: ${status}`);
    assert.match(String(body.error), /^invalid_client(_metadata)?$/, uri);
    assert.doesNotMatch(JSON.stringify(body), /127\.|169\.254|10\.0|public|ECONN|302|404/, uri);
  }
});
