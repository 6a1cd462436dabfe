import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZodError } from 'zod';
import type { NewResourceServer } from '../../src/features/resource-server/index.ts';
import type { AppError } from '../../src/kernel/errors.ts';
import { createWorld } from './support.ts';

const { url, deps, people } = await createWorld();
const { resourceServers } = deps;
const { tenantId } = people;
const other = await deps.tenants.create({ slug: 'other', name: 'Other' });

const refusedAs = (code: string) => (error: AppError) => {
  assert.equal(error.code, code, String(error));
  return true;
};

const create = (changes: Partial<NewResourceServer> = {}) =>
  resourceServers.create({ tenantId, audience: 'https://api.example', name: 'API', ...changes });

test('an audience belongs to one resource server of the whole deployment: no tenant mints tokens for another', async () => {
  await create();
  await assert.rejects(create(), refusedAs('IDENT_VALIDATION'));
  await assert.rejects(create({ tenantId: other.id }), refusedAs('IDENT_VALIDATION'));
});

test('no resource server passes for the issuer or a part of it', async () => {
  for (const audience of [url, `${url}/`, `${url}/api`, `${url}/userinfo`]) {
    await assert.rejects(create({ audience }), refusedAs('IDENT_VALIDATION'), audience);
  }
});

test('an audience is an absolute URI without a fragment (RFC 8707 2), and settings are bounded', async () => {
  const wrong: Partial<NewResourceServer>[] = [
    { audience: 'api' },
    { audience: '/api' },
    { audience: 'https://a.example/#x' },
    { audience: 'https://a.example/ x' },
    { audience: 'https://ä.example/' },
    { audience: `https://a.example/${'x'.repeat(512)}` },
    { audience: 'https://a.example', name: '' },
    { audience: 'https://a.example', accessTokenTtl: 29 },
    { audience: 'https://a.example', accessTokenTtl: 86_401 },
    { audience: 'https://a.example', signingAlg: 'none' as 'RS256' },
    { audience: 'https://a.example', format: 'xml' as 'jwt' },
    { audience: 'https://a.example', scopes: [{ name: 'a b' }] },
    { audience: 'https://a.example', scopes: [{ name: 'a"b' }] },
    { audience: 'https://a.example', scopes: [{ name: 'a' }, { name: 'a' }] },
    { audience: 'https://a.example', scopes: [{ name: 'openid' }] },
    { audience: 'https://a.example', scopes: [{ name: 'tenant:users:read' }] },
    {
      audience: 'https://a.example',
      scopes: Array.from({ length: 201 }, (_, index) => ({ name: `s${index}` })),
    },
  ];
  for (const changes of wrong) {
    await assert.rejects(create(changes), ZodError, JSON.stringify(changes).slice(0, 100));
  }
});

test('a change keeps what it does not name, and of two for the same version one is told', async () => {
  const audience = 'https://kept.example';
  const made = await create({ audience, scopes: [{ name: 'a', description: 'A' }] });
  const changed = await resourceServers.update({ tenantId, audience, name: 'Renamed' });
  assert.deepEqual(changed, {
    ...made,
    name: 'Renamed',
    version: 2,
    updatedAt: changed.updatedAt,
  });
  assert.deepEqual(await resourceServers.get({ tenantId, audience }), changed);
  const change = { tenantId, audience, version: 2, name: 'Once' };
  const results = await Promise.allSettled([1, 2].map(() => resourceServers.update(change)));
  const refused = results.filter((result) => result.status === 'rejected');
  assert.equal(refused.length, 1);
  refusedAs('IDENT_STALE_VERSION')(refused[0]?.reason);
});

test('nothing reaches a resource server of another tenant', async () => {
  const name = { tenantId: other.id, audience: 'https://api.example' };
  for (const attempt of [
    () => resourceServers.get(name),
    () => resourceServers.update({ ...name, name: 'Mine' }),
    () => resourceServers.delete(name),
  ]) {
    await assert.rejects(attempt(), refusedAs('IDENT_NOT_FOUND'));
  }
  assert.deepEqual(await resourceServers.list(other.id), []);
});
