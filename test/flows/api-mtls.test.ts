import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificate } from '../helpers/certificate.ts';
import { createDpopKey } from '../helpers/dpop.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { basic, bearer, createWorld, getJson, obtainCode, postForm, startTwin } from './support.ts';

const MTLS = { TRUSTED_PROXIES: '127.0.0.1,::1', MTLS_CERTIFICATE_HEADER: 'X-Client-Cert' };
const world = await createWorld({ settings: MTLS });
const { url, people, deps } = world;
const ME = `${url}/api/v1/me`;
const client = await seedClient(deps, people.tenantId, {
  metadata: { tls_client_certificate_bound_access_tokens: true },
});
const own = createCertificate(['worker.lotus.example']);
const foreign = createCertificate(['worker.evil.example']);
const told = ({ cert }: { cert: string }) => ({ 'x-client-cert': encodeURIComponent(cert) });

const { form } = await obtainCode({ ...world, client });
const issued = await postForm(`${url}/token`, form, { ...basic(client), ...told(own) });
const accessToken = String(issued.body.access_token);

test('a token bound to a certificate opens the API over a connection with it (RFC 8705 3)', async () => {
  const { status, body } = await getJson(ME, { ...bearer(accessToken), ...told(own) });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.id, people.user.id);
});

test('without that certificate it is no token: none, another, or what is none (RFC 8705 3, RFC 9700 4.10.1)', async () => {
  for (const headers of [
    {},
    told(foreign),
    { 'x-client-cert': 'x' },
    { 'x-client-cert': `${told(own)['x-client-cert']}, ${told(foreign)['x-client-cert']}` },
  ] as Record<string, string>[]) {
    const answer = await getJson(ME, { ...bearer(accessToken), ...headers });
    assert.equal(answer.status, 401, JSON.stringify(headers).slice(0, 60));
    assert.equal(
      answer.headers.get('www-authenticate'),
      'Bearer realm="gatehouse", error="invalid_token"',
    );
  }
});

test('a DPoP proof does not stand in for the certificate', async () => {
  const key = await createDpopKey();
  const DPoP = await key.prove({ method: 'GET', url: ME, accessToken });
  const headers = { authorization: `DPoP ${accessToken}`, DPoP };
  assert.equal((await getJson(ME, headers)).status, 401);
  assert.equal((await getJson(ME, { ...headers, ...told(own) })).status, 401);
});

test('where mutual TLS is not configured, a header of that name opens nothing (RFC 9700 4.13)', async () => {
  const twin = await startTwin(world);
  const headers = { ...bearer(accessToken), ...told(own) };
  assert.equal((await getJson(`${twin.url}/api/v1/me`, headers)).status, 401);
});
