import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { type Address, markVerified, replaceAddress } from './address-repository.ts';
import type { User } from './schema.ts';
import { translateDuplicate } from './service.ts';

interface UserKey {
  tenantId: string;
  userId: string;
}

export type Addresses = ReturnType<typeof createAddresses>;

/** Changes of proved addresses, in the caller's transaction; the caller emits the events. */
export function createAddresses({ clock }: { clock: Clock }) {
  const now = (): Date => new Date(clock.now());
  return {
    /**
     * An address is proved to be its user's, who becomes active if pending.
     * @returns undefined when it is not this user's any more
     */
    markVerified: (
      trx: Knex.Transaction,
      target: UserKey,
      address: Address,
    ): Promise<User | undefined> => markVerified(trx, target, address, now()),

    /**
     * A proved address takes the place of the one before.
     * @returns the user before and after; undefined when the account was erased
     * @throws AppError IDENT_EMAIL_DUPLICATE, IDENT_PHONE_DUPLICATE; the transaction is void then
     */
    replaceAddress: (
      trx: Knex.Transaction,
      target: UserKey,
      address: Address,
    ): Promise<{ before: User; after: User } | undefined> =>
      replaceAddress(trx, target, address, now()).catch(translateDuplicate),
  };
}
