import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt, exportJWK, importX509 } from 'jose';
import { parseConfig } from '../../src/config.ts';
import { createCertificate } from '../helpers/certificate.ts';
import { seedClient, type TestClient, testEnvironment } from '../helpers/gatehouse.ts';
import {
  type Answer,
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  obtainCode,
  postForm,
} from './support.ts';

const HEADER = 'x-client-cert';
const VERIFIED = 'x-client-verify';
const world = await createWorld({
  settings: {
    TRUSTED_PROXIES: '127.0.0.1,::1',
    MTLS_CERTIFICATE_HEADER: 'X-Client-Cert',
    MTLS_VERIFIED_HEADER: 'X-Client-Verify',
    MTLS_ALIAS_URL: 'https://mtls.lotus.example',
  },
});
const { url, people, deps, client } = world;
const token = `${url}/token`;
const GRANT = { grant_type: 'client_credentials' };

const own = createCertificate(['worker.lotus.example', '192.0.2.7']);
const foreign = createCertificate(['worker.evil.example']);

/** What nginx writes by $ssl_client_escaped_cert. */
const escaped = ({ cert }: { cert: string }) => ({ [HEADER]: encodeURIComponent(cert) });
/** What RFC 9440 writes. */
const bytes = ({ cert }: { cert: string }) => ({
  [HEADER]: `:${new X509Certificate(cert).raw.toString('base64')}:`,
});
const trusted = (certificate: { cert: string }) => ({
  ...escaped(certificate),
  [VERIFIED]: 'SUCCESS',
});
const thumbprint = ({ cert }: { cert: string }) =>
  Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex').toString(
    'base64url',
  );

/** A JWKS that holds a certificate (RFC 8705 2.2.2). */
async function jwksOf({ cert }: { cert: string }) {
  const jwk = await exportJWK(await importX509(cert, 'ES256', { extractable: true }));
  return { keys: [{ ...jwk, x5c: [new X509Certificate(cert).raw.toString('base64')] }] };
}

const seed = (metadata: Record<string, unknown>) => seedClient(deps, people.tenantId, { metadata });

const selfSigned = await seed({
  token_endpoint_auth_method: 'self_signed_tls_client_auth',
  jwks: await jwksOf(own),
  tls_client_certificate_bound_access_tokens: true,
});
const bound = await seed({ tls_client_certificate_bound_access_tokens: true });

const ask = (of: TestClient, headers: Record<string, string>): Promise<Answer> =>
  postForm(token, { ...GRANT, client_id: of.clientId }, headers);

function assertRefused({ status, body }: Answer): void {
  assert.equal(status, 401, JSON.stringify(body));
  assert.equal(body.error, 'invalid_client');
  assert.equal(body.access_token, undefined);
}

for (const [form, write] of [
  ['percent-encoded PEM', escaped],
  ['an RFC 9440 byte sequence', bytes],
] as const) {
  test(`a client authenticates by its registered certificate, told as ${form} (RFC 8705 2.2)`, async () => {
    const { status, body } = await ask(selfSigned, write(own));
    assert.equal(status, 200, JSON.stringify(body));
    assertRefused(await ask(selfSigned, write(foreign)));
  });
}

test('no certificate, or what is none, opens nothing (RFC 8705 2)', async () => {
  assertRefused(await ask(selfSigned, {}));
  const pem = encodeURIComponent(own.cert);
  for (const value of ['', 'x', ':AAAA:', ':====:', `${pem}, ${pem}`, '%', pem.slice(0, 200)]) {
    assertRefused(await ask(selfSigned, { [HEADER]: value }));
  }
});

test('a header from anybody but a trusted proxy does nothing (RFC 9700 4.13)', async () => {
  const distrustful = await createWorld({
    settings: {
      TRUSTED_PROXIES: '192.0.2.1',
      MTLS_CERTIFICATE_HEADER: HEADER,
      MTLS_VERIFIED_HEADER: VERIFIED,
    },
  });
  const of = await seedClient(distrustful.deps, distrustful.people.tenantId, {
    metadata: {
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_dns: 'worker.lotus.example',
    },
  });
  const form = { ...GRANT, client_id: of.clientId };
  assertRefused(await postForm(`${distrustful.url}/token`, form, trusted(own)));
});

test('without the setting there is no mutual TLS: not offered, not registered', async () => {
  const plain = await createWorld();
  const { body } = await getJson(`${plain.url}/.well-known/openid-configuration`);
  const methods = body.token_endpoint_auth_methods_supported as string[];
  assert.ok(!methods.some((method) => method.includes('tls')));
  assert.equal(body.tls_client_certificate_bound_access_tokens, undefined);
  assert.equal(body.mtls_endpoint_aliases, undefined);
  for (const token_endpoint_auth_method of ['tls_client_auth', 'self_signed_tls_client_auth']) {
    await assert.rejects(
      seedClient(plain.deps, plain.people.tenantId, {
        metadata: { token_endpoint_auth_method, jwks: await jwksOf(own) },
      }),
      /token_endpoint_auth_method/,
    );
  }
});

test('with it, discovery names methods, bound tokens and the aliases (RFC 8705 3.3, 5)', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  const methods = body.token_endpoint_auth_methods_supported as string[];
  assert.ok(methods.includes('tls_client_auth') && methods.includes('self_signed_tls_client_auth'));
  assert.equal(body.tls_client_certificate_bound_access_tokens, true);
  const aliases = body.mtls_endpoint_aliases as Record<string, string>;
  assert.equal(aliases.token_endpoint, 'https://mtls.lotus.example/token');
  for (const [name, alias] of Object.entries(aliases)) {
    assert.equal(new URL(alias).pathname, new URL(String(body[name])).pathname, name);
  }
});

const SUBJECTS: [string, string, string][] = [
  ['tls_client_auth_subject_dn', 'CN=worker.lotus.example', 'CN=other.lotus.example'],
  ['tls_client_auth_subject_dn', 'cn=worker.lotus.example', 'CN=worker.lotus.example,O=Lotus'],
  ['tls_client_auth_san_dns', 'worker.lotus.example', 'lotus.example'],
  ['tls_client_auth_san_ip', '192.0.2.7', '192.0.2.70'],
];

for (const [member, right, wrong] of SUBJECTS) {
  test(`a verified certificate is taken by its subject: ${member} ${right} (RFC 8705 2.1)`, async () => {
    const metadata = { token_endpoint_auth_method: 'tls_client_auth' };
    const of = await seed({ ...metadata, [member]: right });
    const { status, body } = await ask(of, trusted(own));
    assert.equal(status, 200, JSON.stringify(body));
    assertRefused(await ask(of, trusted(foreign)));
    assertRefused(await ask(await seed({ ...metadata, [member]: wrong }), trusted(own)));
  });
}

test('a chain that the proxy did not verify is none, whatever its subject (RFC 8705 2.1.1)', async () => {
  const of = await seed({
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_san_dns: 'worker.lotus.example',
  });
  assertRefused(await ask(of, escaped(own)));
  for (const verdict of ['FAILED:self-signed certificate', 'NONE', 'success', '']) {
    assertRefused(await ask(of, { ...escaped(own), [VERIFIED]: verdict }));
  }
});

test('a token is bound to the certificate of the client, and says so (RFC 8705 3.1, 3.2)', async () => {
  const { form } = await obtainCode(world, { client: bound });
  const headers = { ...basic(bound), ...escaped(own) };
  const { status, body } = await postForm(token, form, headers);
  assert.equal(status, 200, JSON.stringify(body));
  const accessToken = String(body.access_token);
  const cnf = { 'x5t#S256': thumbprint(own) };
  assert.deepEqual(decodeJwt(accessToken).cnf, cnf);
  assert.deepEqual((await introspect(url, bound, accessToken)).body.cnf, cnf);

  const userinfo = (certificate: Record<string, string>) =>
    getJson(`${url}/userinfo`, { ...bearer(accessToken), ...certificate });
  assert.equal((await userinfo(escaped(own))).body.sub, people.user.id);
  for (const certificate of [{}, escaped(foreign)] as Record<string, string>[]) {
    const answer = await userinfo(certificate);
    assert.equal(answer.status, 401);
    assert.equal(answer.body.error, 'invalid_token');
  }
  const me = await getJson(`${url}/api/v1/me`, bearer(accessToken));
  assert.equal(me.status, 401);
});

test('a client of bound tokens gets none without a certificate (RFC 8705 3)', async () => {
  const { status, body } = await postForm(token, GRANT, basic(bound));
  assert.equal(status, 400);
  assert.equal(body.error, 'invalid_grant');
});

test("a public client's refresh token is bound to its certificate (RFC 8705 7.1)", async () => {
  const open = await seed({
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    tls_client_certificate_bound_access_tokens: true,
  });
  const named = { client_id: open.clientId };
  const { form } = await obtainCode(world, { client: open });
  const first = await postForm(token, { ...form, ...named }, escaped(own));
  const refresh = {
    ...named,
    grant_type: 'refresh_token',
    refresh_token: String(first.body.refresh_token),
  };
  for (const certificate of [{}, escaped(foreign)] as Record<string, string>[]) {
    const stolen = await postForm(token, refresh, certificate);
    assert.equal(stolen.status, 400);
    assert.equal(stolen.body.error, 'invalid_grant');
  }
  assert.equal((await postForm(token, refresh, escaped(own))).status, 200);
});

test('a client of another method does not pass by a certificate', async () => {
  assertRefused(await ask(client, trusted(own)));
});

test('a FAPI 2.0 client may use its certificate for both (FAPI 2.0 5.3.2.1)', async () => {
  const of = await seed({
    profile: 'fapi2',
    token_endpoint_auth_method: 'self_signed_tls_client_auth',
    jwks: await jwksOf(own),
    tls_client_certificate_bound_access_tokens: true,
    id_token_signed_response_alg: 'ES256',
  });
  const { status, body } = await ask(of, escaped(own));
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(decodeJwt(String(body.access_token)).cnf, { 'x5t#S256': thumbprint(own) });
});

test('a header that nobody could be trusted to write stops the start (RFC 9700 4.13)', async () => {
  const environment = await testEnvironment({
    DATABASE_URL: world.config.DATABASE_URL.reveal(),
  });
  for (const wrong of [
    { MTLS_CERTIFICATE_HEADER: HEADER },
    { MTLS_VERIFIED_HEADER: VERIFIED, TRUSTED_PROXIES: '127.0.0.1' },
    { MTLS_CERTIFICATE_HEADER: 'a b', TRUSTED_PROXIES: '127.0.0.1' },
  ] as Record<string, string>[]) {
    assert.throws(() => parseConfig({ ...environment, ...wrong }), /MTLS_CERTIFICATE_HEADER/);
  }
});
