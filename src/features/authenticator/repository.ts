import type { Knex } from 'knex';

/** Whether there is anything that a user can be asked for as a second factor. */
export async function hasFactor(trx: Knex.Transaction, userId: string): Promise<boolean> {
  const { rows } = await trx.raw('SELECT cardinality(second_factors(?)) AS kinds', [userId]);
  return rows[0].kinds > 0;
}
