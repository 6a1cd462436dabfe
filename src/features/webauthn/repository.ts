import type { Knex } from 'knex';
import type { UserRef } from '../mfa/index.ts';
import type { Credential, Transport } from './schema.ts';

interface CredentialRow {
  id: string;
  user_id: string;
  tenant_id: string;
  name: string;
  credential_id: Buffer;
  public_key: Buffer;
  counter: string;
  transports: Transport[];
  aaguid: string | null;
  is_synced_type: boolean;
  is_backed_up: boolean;
  created_at: Date;
  last_used_at: Date | null;
  disabled_at: Date | null;
}

const TABLE = 'webauthn_credentials';

const toCredential = (row: CredentialRow): Credential => ({
  id: row.id,
  userId: row.user_id,
  tenantId: row.tenant_id,
  name: row.name,
  credentialId: row.credential_id,
  publicKey: row.public_key,
  counter: Number(row.counter),
  transports: row.transports,
  aaguid: row.aaguid,
  isSyncedType: row.is_synced_type,
  isBackedUp: row.is_backed_up,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
  disabledAt: row.disabled_at,
});

const own = ({ id, tenantId }: UserRef) => ({ user_id: id, tenant_id: tenantId });

/** All of a user, the oldest first; those that were disabled too. */
export async function listCredentials(knex: Knex, user: UserRef): Promise<Credential[]> {
  const rows = await knex<CredentialRow>(TABLE).where(own(user)).orderBy(['created_at', 'id']);
  return rows.map(toCredential);
}

/** Of any user and tenant: the id is 128 random bits or more and tells whose it is. */
export async function findCredential(
  knex: Knex,
  credentialId: Buffer,
): Promise<Credential | undefined> {
  const row = await knex<CredentialRow>(TABLE).where({ credential_id: credentialId }).first();
  return row && toCredential(row);
}

export async function countCredentials(knex: Knex, user: UserRef): Promise<number> {
  const row = await knex(TABLE).where(own(user)).count({ count: '*' }).first();
  return Number(row?.count ?? 0);
}

/** @returns false where that credential is somebody's already */
export async function insertCredential(
  trx: Knex.Transaction,
  credential: Credential,
): Promise<boolean> {
  const rows = await trx(TABLE)
    .insert({
      id: credential.id,
      user_id: credential.userId,
      tenant_id: credential.tenantId,
      name: credential.name,
      credential_id: credential.credentialId,
      public_key: credential.publicKey,
      counter: credential.counter,
      transports: credential.transports,
      aaguid: credential.aaguid,
      is_synced_type: credential.isSyncedType,
      is_backed_up: credential.isBackedUp,
      created_at: credential.createdAt,
    })
    .onConflict('credential_id')
    .ignore()
    .returning('id');
  return rows.length === 1;
}

/**
 * Notes a use, only where the counter grew; it stays 0 with authenticators that have
 * none (WebAuthn Level 3, 6.1.1). One statement, so that of any number of answers with
 * one counter a single one is taken.
 */
export async function touchCredential(
  knex: Knex,
  id: string,
  use: { counter: number; isBackedUp: boolean; at: Date },
): Promise<boolean> {
  const count = await knex(TABLE)
    .where({ id, disabled_at: null })
    .where((query) =>
      query
        .where('counter', '<', use.counter)
        .orWhereRaw('counter = 0 AND ?::bigint = 0', [use.counter]),
    )
    .update({ counter: use.counter, is_backed_up: use.isBackedUp, last_used_at: use.at });
  return count === 1;
}

/** @returns false where it was disabled before, or is gone */
export async function disableCredential(
  trx: Knex.Transaction,
  id: string,
  at: Date,
): Promise<boolean> {
  const count = await trx(TABLE).where({ id, disabled_at: null }).update({ disabled_at: at });
  return count === 1;
}

export async function renameCredential(
  knex: Knex,
  user: UserRef,
  id: string,
  name: string,
): Promise<boolean> {
  const count = await knex(TABLE)
    .where({ ...own(user), id })
    .update({ name });
  return count === 1;
}

/** Deletes one of a user, or all. @returns the ids of those that were there */
export async function deleteCredentials(
  trx: Knex.Transaction,
  user: UserRef,
  id?: string,
): Promise<string[]> {
  const rows = await trx(TABLE)
    .where({ ...own(user), ...(id === undefined ? {} : { id }) })
    .delete()
    .returning('id');
  return rows.map((row: { id: string }) => row.id);
}
