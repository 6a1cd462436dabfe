import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, getJson } from './support.ts';

const { url } = await createWorld();

const PUBLIC = new Set(['kty', 'kid', 'alg', 'use', 'n', 'e', 'crv', 'x', 'y']);

for (const path of ['/.well-known/jwks.json', '/jw-certs']) {
  test(`${path}: public for an hour, with an entity tag, open to every origin`, async () => {
    const { status, headers } = await getJson(url + path);
    assert.equal(status, 200);
    assert.equal(headers.get('cache-control'), 'public, max-age=3600');
    assert.match(headers.get('etag') ?? '', /^"[\w-]+"$/);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    assert.match(headers.get('content-type') ?? '', /^application\/(jwk-set\+)?json/);
  });

  test(`${path}: a key of each algorithm, public members only (RFC 7517 4)`, async () => {
    const { body } = await getJson(url + path);
    const keys = body.keys as Record<string, string>[];
    assert.deepEqual(keys.map(({ alg }) => alg).sort(), ['ES256', 'EdDSA', 'RS256']);
    for (const key of keys) {
      assert.equal(key.use, 'sig');
      assert.ok(key.kid);
      for (const name of Object.keys(key)) assert.ok(PUBLIC.has(name), `${name} is published`);
    }
    assert.equal(new Set(keys.map(({ kid }) => kid)).size, keys.length);
  });

  test(`${path}: an unchanged set is not sent again (RFC 9110 13.1.2)`, async () => {
    const etag = (await getJson(url + path)).headers.get('etag') ?? '';
    for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await fetch(url + path, { headers: { 'if-none-match': condition } });
      assert.equal(response.status, 304, condition);
      assert.equal(await response.text(), '');
      assert.equal(response.headers.get('etag'), etag);
      assert.equal(response.headers.get('cache-control'), 'public, max-age=3600');
    }
    const changed = await fetch(url + path, { headers: { 'if-none-match': '"other"' } });
    assert.equal(changed.status, 200);
  });

  test(`${path}: HEAD gives the headers of GET and no body`, async () => {
    const [head, get] = await Promise.all([
      fetch(url + path, { method: 'HEAD' }),
      fetch(url + path),
    ]);
    assert.equal(head.status, 200);
    assert.equal(await head.text(), '');
    for (const name of ['etag', 'content-length', 'content-type', 'cache-control']) {
      assert.equal(head.headers.get(name), get.headers.get(name), name);
    }
  });

  test(`${path}: a preflight is answered, writing is not served`, async () => {
    const preflight = await fetch(url + path, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const { status, headers } = await fetch(url + path, { method });
      assert.equal(status, 405);
      assert.match(headers.get('allow') ?? '', /GET/);
    }
  });
}

test('both paths give the same set, byte for byte', async () => {
  const texts = await Promise.all(
    ['/.well-known/jwks.json', '/jw-certs'].map(async (path) => (await fetch(url + path)).text()),
  );
  assert.equal(texts[0], texts[1]);
});
