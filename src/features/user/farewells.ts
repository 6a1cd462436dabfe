import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Messenger } from '../messaging/index.ts';
import { deleteErasure, findErasure, listErasures } from './erasure-repository.ts';

/** What is still needed of a person after the erasure, and for how long: until it was used. */
export interface Farewell {
  /** Where the person is told; null where no address was proved. */
  to: string | null;
  /** Addresses and numbers to which messages may still be waiting. */
  addresses: string[];
  name: string;
  locale: string | null;
  zoneinfo: string | null;
}

export interface FarewellDeps {
  knex: Knex;
  clock: Clock;
  sealer: Sealer;
  messenger: Pick<Messenger, 'isReady' | 'send' | 'forget'>;
  onBackgroundError(error: unknown): void;
}

/** Milliseconds: a mail that is later than that tells nobody anything. */
const LIFE = 24 * 3_600_000;

/** Milliseconds that the request and the consumer of the event have before the sweep. */
const PATIENCE = 60_000;

/** Erasures that one sweep looks at. */
const BATCH = 100;

/** Associated data under which a farewell is sealed. */
export const sealedAs = (userId: string): string => `erasures:${userId}`;

/** Takes the last of an erased person out of the queues, tells the person, and forgets. */
export function createFarewells(deps: FarewellDeps) {
  const { knex, clock, sealer, messenger } = deps;

  /**
   * Completes an erasure; nothing happens where that was done. Safe to call twice at
   * once: the message has one id.
   * @throws AppError IDENT_UNAVAILABLE when the queue does not answer
   */
  async function complete(userId: string): Promise<void> {
    const row = await findErasure(knex, userId);
    if (!row) return;
    const farewell: Farewell = JSON.parse(sealer.open(row.sealed, sealedAs(userId)).toString());
    await messenger.forget(farewell.addresses);
    const { to, name, locale, zoneinfo } = farewell;
    if (to !== null && (await messenger.isReady('mail', row.tenantId))) {
      await messenger.send(`account-deleted-${userId}`, {
        template: 'account-deleted',
        to,
        tenantId: row.tenantId,
        locale,
        zoneinfo,
        values: { name, when: row.createdAt.toISOString() },
        expiresAt: row.createdAt.getTime() + LIFE,
      });
    }
    await deleteErasure(knex, userId);
  }

  return {
    complete,
    async sweep(): Promise<number> {
      const now = clock.now();
      const late = await listErasures(knex, new Date(now - LIFE), BATCH);
      for (const userId of late) await deleteErasure(knex, userId);
      const open = await listErasures(knex, new Date(now - PATIENCE), BATCH);
      for (const userId of open) await complete(userId).catch(deps.onBackgroundError);
      return late.length + open.length;
    },
  };
}
