import type { Knex } from 'knex';
import type { UserRef } from '../mfa/index.ts';

/** Sign-ins from before `now` begin no session any more. */
export async function refuseEarlierSignIns(
  trx: Knex.Transaction,
  { id, tenantId }: UserRef,
  now: Date,
): Promise<void> {
  await trx('users').where({ id, tenant_id: tenantId }).update({ signed_out_at: now });
}

/** Whatever browser a user signs in from next is asked for a second factor. */
export async function forgetRememberedBrowsers(
  trx: Knex.Transaction,
  { id, tenantId }: UserRef,
): Promise<void> {
  await trx('known_browsers')
    .where({ user_id: id, tenant_id: tenantId })
    .whereNotNull('second_factor_until')
    .update({ second_factor_until: null });
}
