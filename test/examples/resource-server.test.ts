import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { createResourceServer } from '../../examples/resource-server/server.ts';

async function listen(listener: RequestListener): Promise<{ server: Server; origin: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const now = () => Math.floor(Date.now() / 1000);

describe('the example resource server', () => {
  const servers: Server[] = [];
  const logged: unknown[] = [];
  let issuer = '';
  let api = '';
  let key: CryptoKey;
  let isProviderUp = true;

  before(async () => {
    const pair = await generateKeyPair('RS256', { extractable: true });
    key = pair.privateKey;
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' };
    const provider = await listen((request, response) => {
      const isJwks = request.url === '/.well-known/jwks.json';
      response.writeHead(isProviderUp && isJwks ? 200 : 503, {
        'content-type': 'application/json',
      });
      response.end(JSON.stringify({ keys: [jwk] }));
    });
    issuer = provider.origin;
    const resource = await listen(createResourceServer({ issuer, log: () => {} }));
    api = resource.origin;
    servers.push(provider.server, resource.server);
  });

  after(() => {
    for (const server of servers) server.close().closeAllConnections();
  });

  const goodClaims = (): JWTPayload => ({
    iss: issuer,
    aud: `${issuer}/api`,
    sub: 'user-1',
    exp: now() + 60,
    iat: now(),
    jti: 'token-1',
    client_id: 'client-1',
    tid: 'tenant-1',
    scope: 'openid profile',
  });

  const sign = (
    claims: Record<string, unknown> = {},
    header: Partial<JWTHeaderParameters> = {},
    signingKey: CryptoKey | Uint8Array = key,
  ): Promise<string> =>
    new SignJWT({ ...goodClaims(), ...claims })
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'k1', ...header })
      .sign(signingKey);

  async function call(authorization?: string, path = '/notes') {
    const headers = authorization === undefined ? {} : { authorization };
    const response = await fetch(`${api}${path}`, { headers });
    const challenge = response.headers.get('www-authenticate');
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, challenge, body };
  }

  test('a good token opens the API', async () => {
    const { status, challenge, body } = await call(`Bearer ${await sign()}`);
    assert.equal(status, 200);
    assert.equal(challenge, null);
    assert.equal(body.sub, 'user-1');
    assert.equal(body.tid, 'tenant-1');
  });

  test('the scheme is recognised in any case', async () => {
    assert.equal((await call(`bearer ${await sign()}`)).status, 200);
  });

  test('no token is answered with a challenge that names no error', async () => {
    for (const authorization of [undefined, 'Basic dTpw']) {
      const { status, challenge } = await call(authorization);
      assert.equal(status, 401);
      assert.equal(challenge, 'Bearer realm="example"');
    }
  });

  test('a malformed header is an invalid request', async () => {
    for (const authorization of ['Bearer', 'Bearer a b', 'Bearer "x"', 'Bearer tök']) {
      const { status, challenge } = await call(authorization);
      assert.equal(status, 400, authorization);
      assert.match(challenge ?? '', /error="invalid_request"/);
    }
  });

  test('a token without the scope is refused with the scope that is needed', async () => {
    for (const scope of ['openid', 'profiles', '', undefined]) {
      const { status, challenge } = await call(`Bearer ${await sign({ scope })}`);
      assert.equal(status, 403);
      assert.match(challenge ?? '', /error="insufficient_scope".* scope="profile"/);
    }
  });

  test('a token for somebody else, by somebody else or out of time is refused', async () => {
    const bad: Array<Record<string, unknown>> = [
      { aud: 'https://other.example/api' },
      { iss: 'https://other.example' },
      { exp: now() - 60 },
      { exp: undefined },
      { nbf: now() + 60 },
      { client_id: undefined },
    ];
    for (const claims of bad) {
      const { status, challenge, body } = await call(`Bearer ${await sign(claims)}`);
      assert.equal(status, 401, JSON.stringify(claims));
      assert.match(challenge ?? '', /error="invalid_token"/);
      assert.equal(body.error, 'invalid_token');
    }
  });

  test('an expired token is told apart, so that the caller knows to refresh', async () => {
    const { challenge } = await call(`Bearer ${await sign({ exp: now() - 60 })}`);
    assert.match(challenge ?? '', /error_description="the token has expired"/);
  });

  test('an ID token does not pass for an access token', async () => {
    for (const typ of ['JWT', undefined]) {
      assert.equal((await call(`Bearer ${await sign({}, { typ: typ as string })}`)).status, 401);
    }
  });

  test('a token cannot choose how it is checked', async () => {
    const unsigned = new UnsecuredJWT(goodClaims()).encode();
    const hmac = await sign({}, { alg: 'HS256' }, new TextEncoder().encode('k'.repeat(32)));
    const foreign = (await generateKeyPair('RS256')).privateKey;
    for (const token of [
      unsigned,
      hmac,
      await sign({}, {}, foreign),
      await sign({}, { kid: 'k2' }),
      'x',
      'a.b.c',
    ]) {
      const { status, challenge } = await call(`Bearer ${token}`);
      assert.equal(status, 401, token.slice(0, 40));
      assert.match(challenge ?? '', /error="invalid_token"/);
    }
  });

  test('what is not there is not found, and writing is not allowed', async () => {
    assert.equal((await call(undefined, '/nothing')).status, 404);
    assert.equal((await call(undefined, '/')).status, 200);
    const response = await fetch(`${api}/notes`, { method: 'DELETE' });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('allow'), 'GET, HEAD');
  });

  test('a provider that is down is not blamed on the token, and is tried again', async () => {
    const log = (error: unknown) => logged.push(error);
    const resource = await listen(createResourceServer({ issuer, log }));
    servers.push(resource.server);
    const headers = { authorization: `Bearer ${await sign()}` };
    isProviderUp = false;
    const down = await fetch(`${resource.origin}/notes`, { headers });
    isProviderUp = true;
    const up = await fetch(`${resource.origin}/notes`, { headers });
    assert.equal(down.status, 503);
    assert.equal(down.headers.get('www-authenticate'), null);
    assert.equal(logged.length, 1);
    assert.equal(up.status, 200);
  });
});
