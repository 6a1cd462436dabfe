import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { isUuid, newId } from '../../kernel/ids.ts';
import {
  type AuthenticatorKeeper,
  lockOwner,
  mfaEvents,
  type TotpPort,
  type UserRef,
} from '../mfa/index.ts';
import { findStep, readCode, SEED_BYTES } from './codes.ts';
import * as repository from './repository.ts';
import { toBase32, toUri } from './uri.ts';

/** Apps that one user can have. */
export const MOST_APPS = 5;

/** Milliseconds within which an app has to show its first code. */
const PENDING_LIFE = 3_600_000;

/** Rows that one purge deletes at most. */
const PURGE_BATCH = 1_000;

export interface TotpDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  sealer: Sealer;
}

type Removal = Parameters<AuthenticatorKeeper['remove']>[3];

const sealedAs = (id: string): string => `totp_authenticators:${id}`;

const describe = (
  id: string,
  seed: Buffer,
  { label, issuerName }: { label: string; issuerName: string },
) => ({ id, uri: toUri(seed, { issuer: issuerName, label }), secret: toBase32(seed) });

/** Setting up an app: from its seed to its first code. */
function createEnrolment({ knex, clock, emit, sealer }: TotpDeps) {
  const since = (): Date => new Date(clock.now() - PENDING_LIFE);

  async function insert(trx: Knex.Transaction, user: UserRef, name: string) {
    if (!(await lockOwner(trx, user))) throw new AppError('IDENT_NOT_FOUND');
    if ((await repository.countConfirmed(trx, user)) >= MOST_APPS) {
      const errors = [{ path: 'name', message: `no more than ${MOST_APPS} apps` }];
      throw new AppError('IDENT_VALIDATION', { errors });
    }
    const id = newId();
    const seed = randomBytes(SEED_BYTES);
    await repository.deletePending(trx, user);
    const sealed = sealer.seal(seed, sealedAs(id));
    await repository.insertPending(trx, user, { id, name, sealed, now: new Date(clock.now()) });
    return { id, seed };
  }

  const enroll: TotpPort['enroll'] = async (user, { name, issuerName }) => {
    const { id, seed } = await knex.transaction((trx) => insert(trx, user, name));
    return describe(id, seed, { label: user.label, issuerName });
  };

  const pending: TotpPort['pending'] = async (user, id, { issuerName }) => {
    const found = isUuid(id) && (await repository.findPending(knex, user, id, since()));
    if (!found) return undefined;
    const seed = sealer.open(found.sealed, sealedAs(id));
    return describe(id, seed, { label: user.label, issuerName });
  };

  const confirm: TotpPort['confirm'] = (user, id, typed) =>
    knex.transaction(async (trx) => {
      // Who sets up another at the same time waits, so that there never are too many.
      const isThere = isUuid(id) && (await lockOwner(trx, user));
      const found = isThere && (await repository.findPending(trx, user, id, since()));
      if (!found) throw new AppError('IDENT_TOKEN_SPENT');
      const now = clock.now();
      const code = readCode(typed);
      const seed = sealer.open(found.sealed, sealedAs(id));
      const step = code === undefined ? undefined : findStep(seed, code, { now, lastStep: null });
      if (step === undefined) {
        const errors = [{ path: 'code', message: 'is not the code that the app shows' }];
        throw new AppError('IDENT_VALIDATION', { errors });
      }
      const confirmed = await repository.confirmPending(trx, user, {
        ...{ id, step },
        now: new Date(now),
      });
      if (!confirmed) throw new AppError('IDENT_TOKEN_SPENT');
      const facts = { subject: user.id, tenantId: user.tenantId };
      const data = { userId: user.id, authenticatorId: id, type: 'totp' as const };
      await emit(trx, mfaEvents.enrolled, facts, data);
      return confirmed;
    });

  return { enroll, pending, confirm };
}

/** Taking apps away, with an event for each that counted. */
function createRemoval({ emit }: Pick<TotpDeps, 'emit'>) {
  async function take(trx: Knex.Transaction, user: UserRef, by: Removal, id?: string) {
    const ids = await repository.deleteConfirmed(trx, user, id);
    const facts = { subject: user.id, tenantId: user.tenantId };
    for (const authenticatorId of ids) {
      const data = { userId: user.id, authenticatorId, type: 'totp' as const, by };
      await emit(trx, mfaEvents.removed, facts, data);
    }
    return ids.length;
  }
  const remove: TotpPort['remove'] = async (trx, user, id, by) =>
    isUuid(id) && (await take(trx, user, by, id)) === 1;
  const removeAll: TotpPort['removeAll'] = async (trx, user, by) => {
    await repository.deletePending(trx, user);
    return take(trx, user, by);
  };
  return { remove, removeAll };
}

/**
 * Authenticator apps: SHA-1, six digits, thirty seconds, as every app knows them.
 * Seeds are sealed; of each app no code counts twice, and none that is older than
 * one that has counted (RFC 6238 5.2, ASVS 6.5.1).
 */
export function createTotp(deps: TotpDeps) {
  const { knex, clock, sealer } = deps;

  const verify: TotpPort['verify'] = async (user, typed) => {
    const code = readCode(typed);
    if (code === undefined) return false;
    const now = clock.now();
    for (const { id, sealed, lastStep } of await repository.listSeeds(knex, user)) {
      const seed = sealer.open(sealed, sealedAs(id));
      const step = findStep(seed, code, { now, lastStep });
      if (step !== undefined) {
        return repository.takeStep(knex, user, { id, step, now: new Date(now) });
      }
    }
    return false;
  };

  const port: TotpPort = {
    type: 'totp',
    ...createEnrolment(deps),
    ...createRemoval(deps),
    verify,
    list: (user) => repository.listConfirmed(knex, user),
    rename: async (trx, user, id, name) =>
      isUuid(id) && (await repository.renameConfirmed(trx, user, id, name)),
  };
  return {
    ...port,
    /** Forgets apps that never showed a code. @returns how many */
    purgePending: (): Promise<number> =>
      repository.purgePending(knex, new Date(clock.now() - PENDING_LIFE), PURGE_BATCH),
  };
}
