import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import { rotateServerSecrets } from '../../infra/server-secrets.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Emit } from '../../kernel/events.ts';
import { keyEvents } from './events.ts';
import { algOf, KeyRefused, readPem, type SigningAlg } from './material.ts';
import { type KeyPolicy, type KeyStep, planKeys, ripeAt } from './policy.ts';
import { insertKey, type KeyRow, listKeys, lockKeys, updateKey } from './repository.ts';
import { createKey, toKeyRow } from './signing-keys.ts';

export interface KeyRotationDeps {
  knex: Knex;
  sealer: Sealer;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  policy: KeyPolicy;
}

type Reason = 'scheduled' | 'requested' | 'imported' | 'revoked';

export interface KeyRotation {
  /** Does what the schedule has to do now, once among all processes. @returns how many steps */
  tick(): Promise<number>;
  /** The published successor of an algorithm's key; made if there is none. */
  publish(alg: SigningAlg): Promise<KeyRow>;
  /** When a published key may sign without meeting a verifier that has not heard of it. */
  ripeAt(key: KeyRow): Date;
  /**
   * Makes a published key the one that signs; the one before retires.
   * @returns the kid that it replaced
   * @throws KeyRefused when there is no such key, or it is not waiting to sign
   */
  promote(kid: string, reason: Reason): Promise<string | null>;
  /**
   * Takes a compromised key out at once, and erases it. Another signs in its place.
   * @returns the kid that signs with its algorithm now
   * @throws KeyRefused when there is no such key
   */
  revoke(kid: string): Promise<string | null>;
  /**
   * Publishes a key from elsewhere as the next one, in place of the one that was to be.
   * @throws KeyRefused when it cannot be used, is known, or its kid is taken
   */
  importPem(options: { pem: string; kid: string; alg?: string }): Promise<KeyRow>;
}

/** What a kid may look like: it is in every token, in URLs of nobody, in logs of everybody. */
const KID = /^[\x21-\x7e]{1,128}$/;

/** A change of keys: one transaction, alone among all processes, seeing all rows. */
interface Change {
  trx: Knex.Transaction;
  rows: KeyRow[];
  now: Date;
}

const inState = (rows: KeyRow[], alg: string, state: KeyRow['state']): KeyRow | undefined =>
  rows.find((row) => row.alg === alg && row.state === state);

/** Only the private part goes: the row stays, for the audit. */
const erase = ({ trx, now }: Change, kid: string): Promise<void> =>
  updateKey(trx, kid, { state: 'gone', gone_at: now, private_sealed: null });

const activate = ({ trx, now }: Change, kid: string): Promise<void> =>
  updateKey(trx, kid, { state: 'current', activated_at: now });

/** All events of keys are in one order: they tell of one set. */
const FACTS = { subject: 'jwks', tenantId: null };

async function promoteIn(
  change: Change,
  emit: KeyRotationDeps['emit'],
  { alg, kid }: { alg: string; kid: string },
  reason: Reason,
): Promise<string | null> {
  const { trx, rows, now } = change;
  const before = inState(rows, alg, 'current');
  if (before) await updateKey(trx, before.kid, { state: 'retiring', retired_at: now });
  await activate(change, kid);
  const previousKid = before?.kid ?? null;
  await emit(trx, keyEvents.rotated, FACTS, { alg, kid, previousKid, reason });
  return previousKid;
}

/** Takes a key out; where it was the one that signs, the next one, or a new one, signs at once. */
async function revokeIn(
  change: Change,
  deps: KeyRotationDeps,
  key: KeyRow,
): Promise<string | null> {
  const { trx, rows } = change;
  const { alg, kid } = key;
  const others = rows.filter((row) => row !== key);
  const current = inState(others, alg, 'current');
  if (key.state === 'gone') return current?.kid ?? null;
  await erase(change, kid);
  let signing = current;
  const isWanted = deps.policy.algs.includes(alg as SigningAlg);
  if (!signing && isWanted) {
    signing =
      inState(others, alg, 'next') ??
      (await createKey(trx, deps, { alg: alg as SigningAlg, state: 'next' }));
    await activate(change, signing.kid);
  }
  await deps.emit(trx, keyEvents.rotated, FACTS, {
    alg,
    kid: signing?.kid ?? null,
    previousKid: kid,
    reason: 'revoked',
  });
  return signing?.kid ?? null;
}

/** Reads and stores a key from elsewhere, in place of the one that was to be next. */
async function importIn(
  change: Change,
  deps: KeyRotationDeps,
  { pem, kid, alg }: { pem: string; kid: string; alg?: string },
): Promise<KeyRow> {
  const privateKey = readPem(pem);
  const found = algOf(privateKey);
  if (alg !== undefined && alg !== found) {
    throw new KeyRefused(`the key is for ${found}, not for ${alg}`);
  }
  if (!deps.policy.algs.includes(found)) {
    throw new KeyRefused(`${found} is not among SIGNING_ALGS_EXPERIMENTAL`);
  }
  const row = toKeyRow(deps, { privateKey, alg: found, kid, state: 'next' });
  assertNew(change.rows, kid, row.public_jwk);
  const waiting = inState(change.rows, found, 'next');
  if (waiting) await erase(change, waiting.kid);
  await insertKey(change.trx, row);
  return row;
}

/** Refuses a key that is here already, in whatever state: a revoked one must not come back. */
function assertNew(rows: KeyRow[], kid: string, jwk: Record<string, string>): void {
  if (!KID.test(kid)) throw new KeyRefused('a kid has 1 to 128 visible ASCII characters');
  const taken = rows.find((row) => row.kid === kid);
  if (taken) throw new KeyRefused(`the kid is taken, by a key that is ${taken.state}`);
  const same = rows.find(({ public_jwk: known }) =>
    ['n', 'x', 'pub'].some((name) => jwk[name] !== undefined && jwk[name] === known[name]),
  );
  if (same) throw new KeyRefused(`the key is here already: its kid is ${same.kid} (${same.state})`);
}

/** Changes to the signing keys; the schedule's also to the secrets of cookies and forms. */
export function createKeyRotation(deps: KeyRotationDeps): KeyRotation {
  const { knex, clock, emit, policy } = deps;

  const change = <T>(work: (change: Change) => Promise<T>): Promise<T> =>
    knex.transaction(async (trx) => {
      await lockKeys(trx);
      return work({ trx, rows: await listKeys(trx), now: new Date(clock.now()) });
    });

  async function take(one: Change, step: KeyStep): Promise<void> {
    if (step.do === 'publish') await createKey(one.trx, deps, { alg: step.alg, state: 'next' });
    else if (step.do === 'promote') await promoteIn(one, emit, step, 'scheduled');
    else await erase(one, step.kid);
  }

  async function followSchedule(): Promise<number> {
    // Nearly always there is nothing to do, which costs no lock.
    if (planKeys(await listKeys(knex), policy, clock.now()).length === 0) return 0;
    return change(async (one) => {
      const steps = planKeys(one.rows, policy, one.now.getTime());
      for (const step of steps) await take(one, step);
      return steps.length;
    });
  }

  return {
    async tick() {
      const steps = await followSchedule();
      return steps + (await rotateServerSecrets(deps, policy.secrets));
    },
    publish: (alg) =>
      change(
        async ({ trx, rows }) =>
          inState(rows, alg, 'next') ?? createKey(trx, deps, { alg, state: 'next' }),
      ),
    ripeAt: (key) => ripeAt(key, policy),
    promote: (kid, reason) =>
      change(async (one) => {
        const key = one.rows.find((row) => row.kid === kid);
        if (!key) throw new KeyRefused(`there is no key ${kid}`);
        if (key.state !== 'next') throw new KeyRefused(`the key ${kid} is ${key.state}, not next`);
        return promoteIn(one, emit, key, reason);
      }),
    revoke: (kid) =>
      change((one) => {
        const key = one.rows.find((row) => row.kid === kid);
        if (!key) throw new KeyRefused(`there is no key ${kid}`);
        return revokeIn(one, deps, key);
      }),
    importPem: (options) => change((one) => importIn(one, deps, options)),
  };
}
