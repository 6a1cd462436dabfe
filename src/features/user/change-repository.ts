import type { Knex } from 'knex';
import { toProfile } from './repository.ts';
import type { Profile, UserStatus } from './schema.ts';

/** A user of a tenant. */
export interface UserKey {
  tenantId: string;
  userId: string;
}

/**
 * Reads a user who is about to be changed; nobody else changes it until the
 * commit. References to the user are not held up (a weaker lock than FOR UPDATE).
 */
export async function lockUser(
  trx: Knex.Transaction,
  { tenantId, userId }: UserKey,
): Promise<Profile | undefined> {
  const row = await trx('users')
    .where({ id: userId, tenant_id: tenantId })
    .forNoKeyUpdate()
    .first();
  return row && toProfile(row);
}

const COLUMNS = {
  name: 'name',
  givenName: 'given_name',
  familyName: 'family_name',
  locale: 'locale',
  zoneinfo: 'zoneinfo',
  attributes: 'attributes',
} as const;
export type ChangedFields = Partial<Pick<Profile, keyof typeof COLUMNS>>;

/** Writes what changed of a profile. @returns it as it is then */
export async function updateProfile(
  trx: Knex.Transaction,
  { tenantId, userId }: UserKey,
  changes: ChangedFields,
  now: Date,
): Promise<Profile> {
  const columns = Object.entries(changes).map(([name, value]) => [
    COLUMNS[name as keyof typeof COLUMNS],
    name === 'attributes' ? JSON.stringify(value) : value,
  ]);
  const [row] = await trx('users')
    .where({ id: userId, tenant_id: tenantId })
    .update({
      ...Object.fromEntries(columns),
      version: trx.raw('version + 1'),
      updated_at: now,
    })
    .returning('*');
  return toProfile(row);
}

/** Puts a user into another state. @returns it as it is then */
export async function updateStatus(
  trx: Knex.Transaction,
  { tenantId, userId }: UserKey,
  status: UserStatus,
  now: Date,
): Promise<Profile> {
  const [row] = await trx('users')
    .where({ id: userId, tenant_id: tenantId })
    .update({ status, version: trx.raw('version + 1'), updated_at: now })
    .returning('*');
  return toProfile(row);
}
