import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { jwtVerify } from 'jose';
import { createKeySets } from '../../../src/features/trusted-issuer/key-sets.ts';
import { createOutbound } from '../../../src/infra/outbound.ts';
import { createFakeClock } from '../../helpers/clock.ts';
import { startUpstream } from '../../helpers/upstream.ts';

const outbound = createOutbound(['localhost']);
after(() => outbound.close());

async function start() {
  const upstream = await startUpstream();
  const clock = createFakeClock();
  const sets = createKeySets({ fetch: outbound.fetch, clock });
  const verify = async (token?: string) =>
    jwtVerify(token ?? (await upstream.sign()), sets.at(upstream.jwksUri));
  return { upstream, clock, sets, verify };
}

const unavailable = { code: 'IDENT_FEDERATION_UNAVAILABLE' };
const noKey = { code: 'ERR_JWKS_NO_MATCHING_KEY' };

test('a key set is fetched once for all who wait, and used for ten minutes', async () => {
  const { upstream, clock, verify } = await start();
  const token = await upstream.sign();
  await Promise.all(Array.from({ length: 20 }, () => verify(token)));
  clock.advance(599_000);
  await verify();
  assert.equal(upstream.state.requests, 1);
  clock.advance(1_000);
  await verify();
  assert.equal(upstream.state.requests, 2, 'a key that was withdrawn must go');
});

test('an unknown kid fetches the set anew, at most every half minute', async () => {
  const { upstream, clock, verify } = await start();
  await verify();
  await upstream.addKey();
  await assert.rejects(verify(), noKey);
  assert.equal(upstream.state.requests, 1);
  clock.advance(30_000);
  await verify();
  assert.equal(upstream.state.requests, 2);
  const strange = await upstream.sign({}, { kid: 'nobody' });
  for (let guess = 0; guess < 20; guess += 1) await assert.rejects(verify(strange), noKey);
  assert.equal(upstream.state.requests, 2, 'guesses do not make us a hammer');
});

test('while the server is down the last good set serves for an hour, then nothing does', async () => {
  const { upstream, clock, verify } = await start();
  await verify();
  upstream.state.status = 500;
  clock.advance(3_599_000);
  await verify();
  clock.advance(31_000);
  await assert.rejects(verify(), unavailable);
  upstream.state.status = 200;
  await assert.rejects(verify(), unavailable, 'not asked again at once');
  clock.advance(30_000);
  await verify();
});

for (const [name, state] of Object.entries({
  'a server that hangs up': { status: null },
  'an error': { status: 404 },
  'a redirect': { status: 302 },
  'no JSON': { status: 200, body: '<html>' },
  'no key set': { status: 200, body: '{"keys":{}}' },
  'an empty key set': { status: 200, body: '{"keys":[]}' },
  'too many keys': {
    status: 200,
    body: JSON.stringify({ keys: Array.from({ length: 101 }, () => ({ kty: 'RSA' })) }),
  },
  'a symmetric key': { status: 200, body: '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}' },
})) {
  test(`${name} is no key set`, async () => {
    const { upstream, verify } = await start();
    Object.assign(upstream.state, state);
    await assert.rejects(verify(), unavailable);
  });
}

test('a key of a kind that is not known here does not spoil those beside it', async () => {
  const { upstream, verify } = await start();
  const keys = [{ kty: 'AKP', alg: 'ML-DSA-65', pub: 'x' }, { kty: 'oct' }, 7];
  upstream.state.body = JSON.stringify({ keys: [...keys, upstream.keys[0]?.jwk] });
  await verify();
});

test('a key set at a private address is not asked for (CVE-2026-55671)', async () => {
  const upstream = await startUpstream();
  const guarded = createOutbound([]);
  const sets = createKeySets({ fetch: guarded.fetch, clock: createFakeClock() });
  await assert.rejects(
    async () => sets.at(upstream.jwksUri)({ alg: 'ES256' }, { payload: '', signature: '' }),
    unavailable,
  );
  assert.equal(upstream.state.requests, 0);
  await guarded.close();
});
