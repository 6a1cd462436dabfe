import type { Knex } from 'knex';
import type { UserRef } from '../mfa/index.ts';

/** What a user can be asked for: something that works, only what is blocked, or nothing. */
export async function factorState(
  trx: Knex.Transaction,
  userId: string,
): Promise<'working' | 'blocked' | 'none'> {
  const { rows } = await trx.raw('SELECT second_factors(?) AS kinds', [userId]);
  const kinds = rows[0].kinds as string[];
  if (kinds.length === 0) return 'none';
  return kinds.includes('blocked') ? 'blocked' : 'working';
}

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
