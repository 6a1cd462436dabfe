import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from '../../helpers/fast-check.ts';
import { rawGet, serveRoutes } from './harness.ts';
import { sampleRoutes } from './sample-routes.ts';

const app = await serveRoutes(sampleRoutes);
const get = (path: string, ...headers: string[]) => rawGet(app.port, `/api/v1${path}`, headers);

suite('GHSA-gv94-wp4h-vv8p: the Authorization header is read strictly', () => {
  const accepted = ['Bearer good', 'bearer good', 'BEARER good', 'Bearer  good'];
  for (const value of accepted) {
    test(`accepted, as RFC 9110 11.4 and RFC 6750 2.1 allow: ${value}`, async () => {
      assert.equal((await get('/me', `Authorization: ${value}`)).status, 200);
    });
  }

  const refused = [
    'Bearer\tgood',
    'Bearer \tgood',
    'Bearergood',
    'Bearer',
    'Bearer good good',
    'Bearer good,Bearer good',
    'Bearer good, Basic dTpw',
    'Bearer "good"',
    'Bearer token=good',
    'Bearer go=od',
    'Bearer\u00a0good',
    'Bearer: good',
    'Bearer g\u00f6\u00f6d',
    `Bearer ${'a'.repeat(15_900)}!`,
    '',
  ];
  for (const value of refused) {
    test(`refused with 400 invalid_request: ${JSON.stringify(value).slice(0, 40)}`, async () => {
      const { status, text } = await get('/me', `Authorization: ${value}`);
      assert.equal(status, 400);
      assert.match(text, /WWW-Authenticate: Bearer realm="gatehouse", error="invalid_request"/i);
    });
  }

  test('two Authorization headers are refused, even when they agree', async () => {
    const twice = await get('/me', 'Authorization: Bearer good', 'authorization: Bearer good');
    assert.equal(twice.status, 400);
  });

  test('two ways of authenticating are refused (RFC 6750 2)', async () => {
    assert.equal((await get('/me', 'Authorization: Bearer good', 'X-API-Key: key')).status, 400);
    assert.equal((await get('/admin', 'X-API-Key: key', 'X-API-Key: key')).status, 400);
    assert.equal((await get('/admin', 'X-API-Key: k, e')).status, 400);
  });

  test('a token in the query is never read (RFC 9700 4.3)', async () => {
    assert.equal((await get('/me?access_token=good')).status, 401);
  });

  test('a scheme that the route does not take is answered like no credential', async () => {
    assert.equal((await get('/me', 'Authorization: Negotiate abc=')).status, 401);
    assert.equal((await get('/me', 'Authorization: Basic dTpw')).status, 401);
  });

  test('nothing but the one well-formed header is ever let in', async () => {
    const character = fc.constantFrom(...' \t,;="\'\\/:~+.-_aBearerDPoPgood0\u00a0\u00ff');
    const header = fc.oneof(
      fc.string({ unit: character, maxLength: 24 }),
      fc
        .tuple(fc.constantFrom('Bearer', 'DPoP', 'bearer', 'Basic'), fc.string({ unit: character }))
        .map(([scheme, rest]) => scheme + rest),
    );
    const property = fc.asyncProperty(header, async (value) => {
      const { status } = await get('/me', `Authorization: ${value}`);
      const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, '');
      assert.equal(status === 200, /^bearer +good$/i.test(trimmed), JSON.stringify(value));
      assert.ok([200, 400, 401].includes(status), `${status} for ${JSON.stringify(value)}`);
    });
    await fc.assert(property, { numRuns: 300 });
  });
});

suite('DPoP (RFC 9449)', () => {
  test('a DPoP token comes with exactly one proof', async () => {
    const token = 'Authorization: DPoP good';
    assert.equal((await get('/me', token)).status, 400);
    assert.equal((await get('/me', token, 'DPoP: a.b.c')).status, 200);
    assert.equal((await get('/me', token, 'DPoP: a.b.c', 'DPoP: a.b.c')).status, 400);
  });

  test('a refused DPoP token is challenged with its own scheme', async () => {
    const { status, text } = await get('/me', 'Authorization: DPoP bad', 'DPoP: a.b.c');
    assert.equal(status, 401);
    assert.match(text, /WWW-Authenticate: DPoP realm="gatehouse", error="invalid_token"/i);
  });
});

suite('Basic (RFC 7617)', () => {
  const basic = (text: string) => `Authorization: Basic ${Buffer.from(text).toString('base64')}`;

  test('a colon in the password belongs to the password', async () => {
    assert.equal((await get('/internal', basic('user:a:b'))).status, 204);
  });

  for (const [what, header] of [
    ['no colon', basic('user')],
    ['an empty user', basic(':pw')],
    ['bits beyond the end of the base64', 'Authorization: Basic dTpxx==='],
    ['base64url letters', 'Authorization: Basic dTpw_-'],
    [
      'text that is not UTF-8',
      `Authorization: Basic ${Buffer.from([0x75, 0x3a, 0xff]).toString('base64')}`,
    ],
  ] as const) {
    test(`loosely encoded credentials are refused: ${what}`, async () => {
      assert.equal((await get('/internal', header)).status, 400);
    });
  }
});
