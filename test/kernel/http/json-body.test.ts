import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from '../../helpers/fast-check.ts';
import { json, rawRequest, serveRoutes } from './harness.ts';
import { sampleRoutes } from './sample-routes.ts';

const app = await serveRoutes(sampleRoutes);

const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  fetch(`${app.url}/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
const firstError = async (response: Response) => {
  assert.equal(response.status, 400);
  return (await json(response)).errors?.[0];
};

suite('media type', () => {
  for (const type of ['application/json', 'Application/JSON; charset=UTF-8', 'application/json;']) {
    test(`accepted: ${type}`, async () => {
      assert.equal((await post('{"text":"x"}', { 'content-type': type })).status, 201);
    });
  }
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json; charset=latin1',
    'application/jsonp',
    'application/merge-patch+json',
    'nonsense',
  ]) {
    test(`415, so that a plain form cannot post here: ${type}`, async () => {
      const response = await post('{"text":"x"}', { 'content-type': type });
      assert.equal(response.status, 415);
      assert.equal((await json(response)).code, 'IDENT_UNSUPPORTED_MEDIA_TYPE');
    });
  }

  test('415 for a compressed body: nothing a stranger sends is inflated', async () => {
    assert.equal((await post('{}', { 'content-encoding': 'gzip' })).status, 415);
  });
});

suite('size', () => {
  const padded = (bytes: number) => JSON.stringify({ text: 'x' }).padEnd(bytes, ' ');

  test('64 KiB pass, one byte more is 413', async () => {
    assert.equal((await post(padded(65_536))).status, 201);
    const response = await post(padded(65_537));
    assert.equal(response.status, 413);
    assert.equal((await json(response)).code, 'IDENT_PAYLOAD_TOO_LARGE');
  });

  test('a body without a length is measured as it comes, and its connection closed', async () => {
    const chunk = `4000\r\n${'a'.repeat(0x4000)}\r\n`;
    const { status, text } = await rawRequest(
      app.port,
      `POST /api/v1/notes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`,
    );
    assert.equal(status, 413);
    assert.match(text, /Connection: close/i);
  });
});

suite('content', () => {
  test('what is not JSON is told as such', async () => {
    for (const text of ['{', '{"text":"x",}', "{'text':1}", '{"text":NaN}', '{} {}', '\u0000']) {
      assert.deepEqual(await firstError(await post(text)), {
        path: 'body',
        message: 'Not valid JSON',
      });
    }
  });

  test('bytes that are not UTF-8 are refused, not replaced', async () => {
    const bytes = new Uint8Array([...Buffer.from('{"text":"'), 0xff, ...Buffer.from('"}')]);
    assert.deepEqual(await firstError(await post(bytes)), {
      path: 'body',
      message: 'Not valid UTF-8',
    });
  });

  for (const key of ['__proto__', 'constructor', 'prototype']) {
    test(`no member can be called ${key}, at any depth: prototypes stay clean`, async () => {
      const error = await firstError(await post(`{"text":"x","place":{"${key}":{"admin":1}}}`));
      assert.equal(error?.path, `place.${key}`);
      const escaped = await firstError(await post(`{"\\u005f_proto__":1,"${key}":1}`));
      assert.ok(escaped);
      assert.equal(({} as { admin?: unknown }).admin, undefined);
    });
  }

  test('nesting is bounded', async () => {
    const deep = `{"text":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    assert.equal((await firstError(await post(deep)))?.message, 'Nested too deeply');
  });

  test('a body of another type than an object is invalid input', async () => {
    for (const text of ['null', '[]', '"x"', '1', 'true']) {
      assert.equal((await firstError(await post(text)))?.path, 'body', text);
    }
  });

  test('no JSON value makes an error of ours', async () => {
    const property = fc.asyncProperty(fc.jsonValue({ maxDepth: 5 }), async (value) => {
      const response = await post(JSON.stringify(value));
      assert.ok(response.status < 500, JSON.stringify(value));
      await response.arrayBuffer();
    });
    await fc.assert(property, { numRuns: 200 });
  });

  test('no bytes make an error of ours', async () => {
    const property = fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      async (raw) => {
        const response = await post(new Uint8Array(raw));
        assert.equal(response.status, 400);
        await response.arrayBuffer();
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });
});
