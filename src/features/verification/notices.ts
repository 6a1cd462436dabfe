import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { newId } from '../../kernel/ids.ts';
import type { Messenger } from '../messaging/index.ts';
import { describeUser, type User, type UserService } from '../user/index.ts';
import {
  deleteFormerAddress,
  type FormerAddress,
  insertFormerAddress,
  listFormerAddresses,
} from './repository.ts';

/** Milliseconds after which a notice that could not be sent is given up. */
const LIFE = 7 * 24 * 3_600_000;

interface NoticeDeps {
  knex: Knex;
  clock: Clock;
  sealer: Sealer;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  users: Pick<UserService, 'find'>;
  issuer: string;
}

const sealedAs = (id: string): string => `former_addresses:${id}`;

/**
 * Tells people at the address that they had before that another took its place
 * (ASVS 6.3.7). Events hold no addresses, so this one is kept until then, sealed.
 */
export function createNotices({ knex, clock, sealer, messenger, users, issuer }: NoticeDeps) {
  async function send(former: FormerAddress, user: User): Promise<void> {
    if (await messenger.isReady('mail', user.tenantId)) {
      await messenger.send(`identifier-changed-${former.id}`, {
        template: 'identifier-changed',
        to: sealer.open(former.sealed, sealedAs(former.id)).toString(),
        tenantId: user.tenantId,
        locale: user.locale,
        zoneinfo: user.zoneinfo,
        values: {
          name: describeUser(user).name,
          what: former.what,
          when: former.createdAt.toISOString(),
          link: `${issuer}/`,
        },
        expiresAt: former.createdAt.getTime() + LIFE,
      });
    }
    await deleteFormerAddress(knex, former);
  }

  return {
    /** Remembers, in the transaction of the change, where the user is to be told of it. */
    async remember(
      trx: Knex.Transaction,
      { id: userId, tenantId }: User,
      change: { what: 'email' | 'phone'; address: string },
    ): Promise<void> {
      const id = newId();
      const createdAt = new Date(clock.now());
      await insertFormerAddress(trx, {
        ...{ id, tenantId, userId, createdAt },
        what: change.what,
        sealed: sealer.seal(Buffer.from(change.address), sealedAs(id)),
        expiresAt: new Date(createdAt.getTime() + LIFE),
      });
    },

    /** Tells a user of all that is remembered; safe to do twice. */
    async deliver(tenantId: string, userId: string): Promise<void> {
      const user = await users.find(tenantId, userId);
      if (!user) return;
      for (const former of await listFormerAddresses(knex, { tenantId, userId })) {
        await send(former, user);
      }
    },
  };
}

export type Notices = ReturnType<typeof createNotices>;
