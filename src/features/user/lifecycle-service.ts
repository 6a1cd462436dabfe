import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Emit, EventType } from '../../kernel/events.ts';
import { isUuid } from '../../kernel/ids.ts';
import type { SessionService } from '../session/index.ts';
import { updateStatus } from './change-repository.ts';
import { emptyUser, findUnproven, insertErasure, listUnproven } from './erasure-repository.ts';
import { userEvents } from './events.ts';
import { createFarewells, type Farewell, type FarewellDeps, sealedAs } from './farewells.ts';
import { follow, type TransitionName } from './lifecycle.ts';
import { lockTarget, type Target } from './profile.ts';
import { findAccount } from './repository.ts';
import { describeUser, type Profile } from './schema.ts';

export interface LifecycleDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  sealer: Sealer;
  sessions: Pick<SessionService, 'endAllOf' | 'endAllWithin' | 'restoreRevocations'>;
  messenger: FarewellDeps['messenger'];
  /** Told of work after a commit that failed; it is done again later. */
  onBackgroundError(error: unknown): void;
}

/** Milliseconds after which an account that its owner never proved is erased. */
export const UNPROVEN_LIFE = 7 * 24 * 3_600_000;

/** Accounts that one run of the job erases at most. */
const BATCH = 200;

type PlainEvent = EventType<(typeof userEvents.suspended)['data']>;

/** Changes the state of a user in a transaction, with its event. */
async function change(
  deps: LifecycleDeps,
  trx: Knex.Transaction,
  target: Target,
  [name, event]: [TransitionName, PlainEvent | undefined],
): Promise<Profile> {
  const before = await lockTarget(trx, target);
  const status = follow(before.status, name);
  const { tenantId, userId } = target;
  const facts = { subject: userId, tenantId };
  const now = new Date(deps.clock.now());
  const after = await updateStatus(trx, target, status, now);
  if (event) await deps.emit(trx, event, facts, { userId });
  else await deps.emit(trx, userEvents.profileUpdated, facts, { userId, changed: ['status'] });
  return after;
}

const toFarewell = (user: Profile): Farewell => ({
  // An address that nobody proved to be theirs may be a stranger's.
  to: user.emailVerified ? user.email : null,
  addresses: [user.email, user.phone].filter((one) => one !== null),
  name: describeUser(user).name,
  locale: user.locale,
  zoneinfo: user.zoneinfo,
});

/**
 * Erases a user inside a transaction, with its event.
 * @returns what completes it, to be called once that is committed
 */
async function eraseWithin(deps: LifecycleDeps, trx: Knex.Transaction, target: Target) {
  const before = await lockTarget(trx, target);
  follow(before.status, 'deactivate');
  const { tenantId, userId } = target;
  const now = new Date(deps.clock.now());
  const endSessions = await deps.sessions.endAllWithin(trx, userId, { reason: 'user_deactivated' });
  await emptyUser(trx, target, now);
  const farewell = JSON.stringify(toFarewell(before));
  const sealed = deps.sealer.seal(farewell, sealedAs(userId));
  await insertErasure(trx, userId, { tenantId, sealed, createdAt: now });
  await deps.emit(trx, userEvents.deactivated, { subject: userId, tenantId }, { userId });
  return endSessions;
}

export type UserLifecycle = ReturnType<typeof createUserLifecycle>;

/**
 * The states of a user. Each change is one transaction with its event and, where
 * the user may no longer sign in, with the end of all sessions and grants (ASVS
 * 7.4.2). Another tenant's user is IDENT_NOT_FOUND; a change that the present
 * state does not allow is IDENT_INVALID_TRANSITION; an `expectedVersion` that is
 * not the present one is IDENT_STALE_VERSION.
 */
export function createUserLifecycle(deps: LifecycleDeps) {
  const { knex, clock, sessions, onBackgroundError } = deps;
  const farewells = createFarewells(deps);
  const settle = (...work: (() => Promise<unknown>)[]) =>
    Promise.all(work.map((one) => one().catch(onBackgroundError)));

  async function erase(target: Target): Promise<void> {
    const endSessions = await knex.transaction((trx) => eraseWithin(deps, trx, target));
    await settle(endSessions, () => farewells.complete(target.userId));
  }

  return {
    /** An administrator takes a pending account for proved. */
    activate: (target: Target): Promise<Profile> =>
      knex.transaction((trx) => change(deps, trx, target, ['activate', undefined])),

    /** Closes an account until it is reactivated. @returns it as it is then */
    async suspend(target: Target): Promise<Profile> {
      const { user, endSessions } = await knex.transaction(async (trx) => {
        const changed = await change(deps, trx, target, ['suspend', userEvents.suspended]);
        const reason = 'user_suspended';
        return {
          user: changed,
          endSessions: await sessions.endAllWithin(trx, target.userId, { reason }),
        };
      });
      await settle(endSessions);
      return user;
    },

    reactivate: (target: Target): Promise<Profile> =>
      knex.transaction((trx) => change(deps, trx, target, ['reactivate', userEvents.reactivated])),

    /**
     * Erases an account for good (GDPR 17): what is left is its id and the time.
     * The person is told at a verified address, by a mail that is on its way after.
     */
    erase,

    /**
     * Erases, in the caller's transaction, an account of this address or number that
     * its owner made before `before` and never proved. @returns what completes it,
     * to be called after the commit; undefined when there is none
     */
    async eraseUnproven(
      trx: Knex.Transaction,
      tenantId: string,
      identifier: { scheme: 'email' | 'phone'; value: string },
      before: Date,
    ): Promise<(() => Promise<unknown>) | undefined> {
      const found = await findUnproven(trx, tenantId, identifier, before);
      if (!found) return undefined;
      const endSessions = await eraseWithin(deps, trx, found);
      return () => settle(endSessions, () => farewells.complete(found.userId));
    },

    /** Erases accounts that were never proved in a week. @returns how many */
    async eraseExpired(): Promise<number> {
      const before = new Date(clock.now() - UNPROVEN_LIFE);
      const found = await listUnproven(knex, before, BATCH);
      for (const target of found) await erase(target).catch(onBackgroundError);
      return found.length;
    },

    /**
     * What follows from a suspension or an erasure, again: for a process that died
     * after the commit, and for sign-ins that were under way.
     */
    async completeClosing(userId: string): Promise<void> {
      const account = isUuid(userId) ? await findAccount(knex, userId) : undefined;
      const status = account?.user.status;
      if (status === 'suspended' || status === 'deactivated') {
        await sessions.endAllOf(userId, {
          reason: status === 'suspended' ? 'user_suspended' : 'user_deactivated',
        });
      }
      await sessions.restoreRevocations(userId);
      if (status === 'deactivated') await farewells.complete(userId);
    },

    /** Completes or gives up erasures that nothing completed so far. @returns how many */
    sweepErasures: farewells.sweep,
  };
}
