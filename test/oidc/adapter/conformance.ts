import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { newId, newSecret } from '../../../src/kernel/ids.ts';
import type { FakeClock } from '../../helpers/clock.ts';
import { withLatency } from '../../helpers/latency-adapter.ts';

/** One model of a backend. */
export interface ModelCase {
  model: string;
  /** A payload as the engine makes it; `ttl` seconds from now. */
  make(ids: { grantId: string; uid: string; userCode: string; ttl: number }): AdapterPayload;
  isConsumable?: boolean;
  isGranted?: boolean;
  hasUid?: boolean;
  hasUserCode?: boolean;
  /** Its id is no secret and kept as it is. */
  isPlain?: boolean;
  /** Seconds that the engine wants to find it past its expiry, to check that itself. */
  retention?: number;
}

/** A backend under test: two processes on one store. */
export interface Backend {
  name: string;
  clock: FakeClock;
  one(model: string): Adapter;
  two(model: string): Adapter;
  cases: ModelCase[];
  /** Everything that is stored, as text. */
  dump(): Promise<string>;
}

const HOSTILE = [
  '',
  '\u0000',
  'a\u0000b',
  "'; DROP TABLE sessions; --",
  '{}',
  '../../etc/passwd',
  '\ud800',
  'x'.repeat(1_000_000),
  'a.b.c',
  '__proto__',
];

/** What every storage backend of the engine must hold to, model by model. */
export function conformance(backend: Backend): void {
  describe(`storage in ${backend.name}`, () => {
    for (const modelCase of backend.cases)
      describe(modelCase.model, () => suite(backend, modelCase));
  });
}

function suite(backend: Backend, modelCase: ModelCase): void {
  const { model, isPlain = false } = modelCase;
  const one = backend.one(model);
  const two = backend.two(model);
  const fresh = (ttl = 600) => {
    const ids = { grantId: newId(), uid: newId(), userCode: newSecret(9), ttl };
    const payload = modelCase.make(ids);
    return { ...ids, id: isPlain ? ids.grantId : newSecret(), payload, ttl };
  };
  const save = async (made = fresh()) => {
    const { id, payload, ttl } = made;
    await one.upsert(id, isPlain ? { ...payload, jti: id } : { ...payload, jti: id }, ttl);
    return made;
  };

  it('gives back in another process what was saved in one', async () => {
    const { id, payload } = await save();
    assert.deepEqual(await two.find(id), { ...payload, jti: id });
  });

  it('keeps strings that a client may send, NUL and lone surrogates included', async () => {
    const made = fresh();
    const state = { secret: 'a\u0000b\ud800', nonce: '\u0000' };
    await save({ ...made, payload: { ...made.payload, state } as AdapterPayload });
    const found = (await one.find(made.id)) as AdapterPayload & { state?: unknown };
    assert.deepEqual(found.state, state);
  });

  it('does not find what is unknown, nor stumble over hostile ids', async () => {
    assert.equal(await one.find(newSecret()), undefined);
    for (const id of HOSTILE) assert.equal(await one.find(id), undefined);
  });

  it('does not find what has expired', async () => {
    const { id } = await save(fresh(60));
    backend.clock.advance(59_000);
    assert.ok(await one.find(id));
    backend.clock.advance(1_000 + (modelCase.retention ?? 0) * 1_000);
    assert.equal(await one.find(id), undefined);
  });

  it('does not find what was destroyed, in any process, and destroys twice in peace', async () => {
    const { id } = await save();
    await two.destroy(id);
    assert.equal(await one.find(id), undefined);
    await one.destroy(id);
    for (const hostile of HOSTILE) await one.destroy(hostile);
  });

  it('updates on a second save', async () => {
    const { id, payload, ttl } = await save();
    await two.upsert(id, { ...payload, jti: id, scope: 'openid email' }, ttl);
    assert.equal((await one.find(id))?.scope, 'openid email');
  });

  if (!isPlain) {
    it('stores no bearer value in the clear (ASVS 11.4, contract 2)', async () => {
      const { id, userCode } = await save();
      const stored = await backend.dump();
      assert.ok(!stored.includes(id));
      if (modelCase.hasUserCode) assert.ok(!stored.includes(userCode));
    });
  }
  if (modelCase.isConsumable) consumable(backend, modelCase, save);
  if (modelCase.isGranted) granted(backend, modelCase, save);
  if (modelCase.hasUid) {
    it('is found by uid, with its bearer value', async () => {
      const { id, uid, payload } = await save();
      assert.deepEqual(await two.findByUid(uid), { ...payload, jti: id });
      for (const hostile of [newId(), ...HOSTILE]) {
        assert.equal(await one.findByUid(hostile), undefined);
      }
    });
  }
  if (modelCase.hasUserCode) {
    it('is found by user code, with its bearer value', async () => {
      const { id, userCode, payload } = await save();
      assert.deepEqual(await two.findByUserCode(userCode), { ...payload, jti: id });
      for (const hostile of HOSTILE) assert.equal(await one.findByUserCode(hostile), undefined);
    });
  }
}

type Save = () => Promise<{ id: string; payload: AdapterPayload; grantId: string; ttl: number }>;

function consumable(backend: Backend, { model }: ModelCase, save: Save): void {
  const one = backend.one(model);
  const two = backend.two(model);
  const isOAuthError = (error: unknown) =>
    error instanceof errors.OIDCProviderError && error.statusCode === 400;

  it('is consumed once by 100 at a time from two processes', async () => {
    const { id } = await save();
    const slow = [withLatency(backend.one, 5)(model), withLatency(backend.two, 5)(model)] as const;
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, async (_, index) => {
        const adapter = slow[index % 2 === 0 ? 0 : 1];
        assert.equal((await adapter.find(id))?.consumed ? 'seen' : 'unseen', 'unseen');
        await adapter.consume(id);
      }),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    const lost = results.filter((result) => result.status === 'rejected');
    for (const { reason } of lost) {
      assert.ok(isOAuthError(reason) || reason instanceof assert.AssertionError, reason);
    }
  });

  it('stays readable after it was consumed, so that a replay is seen (ASVS 10.4.2)', async () => {
    const { id } = await save();
    await one.consume(id);
    const found = await two.find(id);
    assert.equal(found?.consumed, Math.floor(backend.clock.now() / 1000));
  });

  it('stays consumed when it is saved again', async () => {
    const { id, payload, ttl } = await save();
    await one.consume(id);
    await two.upsert(id, { ...payload, jti: id }, ttl);
    assert.ok((await one.find(id))?.consumed);
    await assert.rejects(two.consume(id), isOAuthError);
  });

  it('refuses to consume what is unknown, and leaves nothing behind', async () => {
    const before = (await backend.dump()).length;
    await assert.rejects(one.consume(newSecret()), isOAuthError);
    assert.equal((await backend.dump()).length, before);
  });
}

function granted(backend: Backend, { model }: ModelCase, save: Save): void {
  it('is revoked with its grant, and with no other', async () => {
    const mine = await save();
    const other = await save();
    await backend.two(model).revokeByGrantId(mine.grantId);
    assert.equal(await backend.one(model).find(mine.id), undefined);
    assert.ok(await backend.one(model).find(other.id));
    for (const hostile of HOSTILE) await backend.one(model).revokeByGrantId(hostile);
    assert.ok(await backend.one(model).find(other.id));
  });
}
