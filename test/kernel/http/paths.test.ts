import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isPlainPath } from '../../../src/kernel/http/paths.ts';
import fc from '../../helpers/fast-check.ts';
import { rawGet, serveRoutes } from './harness.ts';
import { sampleRoutes } from './sample-routes.ts';

const app = await serveRoutes(sampleRoutes);
const ID = '0190f7b6-0000-7000-8000-000000000001';
const status = async (target: string) => (await rawGet(app.port, target)).status;

suite('CVE-2026-0976: one path has one spelling', () => {
  const odd = [
    `/api/v1/notes;x/${ID}`,
    `/api/v1/notes/${ID};x=1`,
    `/api/v1//notes/${ID}`,
    `//api/v1/notes/${ID}`,
    `/api/v1/notes/${ID}/`,
    `/api/v1/notes%2f${ID}`,
    `/api/v1/notes%2F${ID}`,
    `/api/v1/notes%5c${ID}`,
    `/api/v1/notes\\${ID}`,
    `/api/v1/%6eotes/${ID}`,
    `/api/v1/./notes/${ID}`,
    `/api/v1/x/../notes/${ID}`,
    `/api/v1/x/%2e%2e/notes/${ID}`,
    `/api/v1/x/..;/notes/${ID}`,
    `/api/v1/notes/${ID}%00`,
    `/api/v1/notes/${ID}%`,
    `/api/v1/notes/%252e%252e/me`,
    `/API/V1/notes/${ID}`,
    `/api/v1/Notes/${ID}`,
  ];
  for (const target of odd) {
    test(`reaches no route: ${target}`, async () => {
      assert.equal(await status(target), 404);
    });
  }

  test('bytes outside ASCII are refused by the parser already', async () => {
    assert.equal(await status(`/api/v1/notes/${ID}\u00e9`), 400);
  });

  test('the plain spelling does, in absolute form too (RFC 9112 3.2.2)', async () => {
    assert.equal(await status(`/api/v1/notes/${ID}`), 200);
    assert.equal(await status(`http://localhost/api/v1/notes/${ID}`), 200);
  });

  test('no other spelling of a path reaches its route', async () => {
    const plain = `/api/v1/notes/${ID}`;
    const inserted = fc.constantFrom(
      ';',
      '/',
      '%2f',
      '%2F',
      '%5C',
      '.',
      '%2e',
      '\\',
      '%00',
      ';a=b',
      '%',
    );
    const property = fc.asyncProperty(
      inserted,
      fc.integer({ min: 0, max: plain.length }),
      async (text, at) => {
        const code = await status(plain.slice(0, at) + text + plain.slice(at));
        assert.ok(code === 404 || code === 400, `${code}: ${text} at ${at}`);
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  test('ordinary paths are plain', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9_~-][A-Za-z0-9._~@:=+-]{0,20}$/);
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) =>
        isPlainPath(`/${segments.join('/')}`),
      ),
    );
    assert.ok(isPlainPath('/a%20b'));
  });
});
