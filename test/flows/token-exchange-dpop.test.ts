import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createDpopKey, type DpopKey } from '../helpers/dpop.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { basic, createWorld, getJson, obtainCode, postForm } from './support.ts';
import { exchangeToken, GRANT, seedExchanger } from './token-exchange-support.ts';

const world = await createWorld();
const { url, people, deps } = world;
const TOKEN = `${url}/token`;
const portal = await seedClient(deps, people.tenantId, {
  metadata: { grant_types: ['authorization_code', 'client_credentials', GRANT] },
});
const key = await createDpopKey();
const other = await createDpopKey();

const { headers } = await postForm(
  TOKEN,
  { grant_type: 'client_credentials' },
  { ...basic(portal), DPoP: await key.prove({ method: 'POST', url: TOKEN }) },
);
/** A nonce, where the service offers them. */
const nonce = headers.get('dpop-nonce') ?? undefined;
const prove = async (holder: DpopKey) => ({
  DPoP: await holder.prove({ method: 'POST', url: TOKEN, nonce }),
});

async function signIn(proof: Record<string, string> = {}): Promise<string> {
  const { form } = await obtainCode({ ...world, client: portal });
  const { body } = await postForm(TOKEN, form, { ...basic(portal), ...proof });
  return String(body.access_token);
}

const bound = await signIn(await prove(key));
const unbound = await signIn();

test('with a proof the new token is bound to its key (RFC 9449 5), and opens the API with it', async () => {
  const { status, body } = await exchangeToken(url, portal, unbound, {}, await prove(other));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.token_type, 'DPoP');
  const accessToken = String(body.access_token);
  assert.deepEqual(decodeJwt(accessToken).cnf, { jkt: other.thumbprint });
  const me = `${url}/api/v1/me`;
  const DPoP = await other.prove({ method: 'GET', url: me, accessToken, nonce });
  const answer = await getJson(me, { authorization: `DPoP ${accessToken}`, DPoP });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
});

test('a bound subject token needs a proof of the same key: no laundering (RFC 9700 4.10.1)', async () => {
  for (const [why, proof] of [
    ['no proof', {}],
    ['another key', await prove(other)],
  ] as [string, Record<string, string>][]) {
    const { status, body } = await exchangeToken(url, portal, bound, {}, proof);
    assert.deepEqual([status, body.error], [400, 'invalid_request'], why);
  }
  const { status, body } = await exchangeToken(url, portal, bound, {}, await prove(key));
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(decodeJwt(String(body.access_token)).cnf, { jkt: key.thumbprint });
});

test('a service that got hold of a bound token cannot exchange it', async () => {
  const service = await seedExchanger(world, people.tenantId, {
    metadata: { may_impersonate: true },
  });
  for (const proof of [{}, await prove(other)] as Record<string, string>[]) {
    const { body } = await exchangeToken(url, service, bound, {}, proof);
    assert.equal(body.error, 'invalid_request');
  }
});

test('a proof is good for one exchange (RFC 9449 11.1)', async () => {
  const proof = await prove(key);
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => exchangeToken(url, portal, bound, {}, proof)),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  for (const { status, body } of answers.filter((answer) => answer.status !== 200)) {
    assert.deepEqual([status, body.error], [400, 'invalid_dpop_proof']);
  }
});

test('a client that is registered for bound tokens gets no other', async () => {
  const strict = await seedExchanger(world, people.tenantId, {
    metadata: { may_impersonate: true, dpop_bound_access_tokens: true },
  });
  const without = await exchangeToken(url, strict, unbound);
  assert.deepEqual([without.status, without.body.error], [400, 'invalid_grant']);
  const { body } = await exchangeToken(url, strict, unbound, {}, await prove(other));
  assert.equal(body.token_type, 'DPoP', JSON.stringify(body));
});
