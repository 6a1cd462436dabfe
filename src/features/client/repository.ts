import type { Knex } from 'knex';
import { isUuid } from '../../kernel/ids.ts';
import type { ClientMetadata, StoredClient } from './schema.ts';

interface ClientRow {
  client_id: string;
  tenant_id: string;
  is_first_party: boolean;
  metadata: ClientMetadata;
  secret_hash: Buffer | null;
  secret_sealed: Buffer | null;
  disabled_at: Date | null;
  created_at: Date;
}

export interface ClientRecord extends StoredClient {
  secretSealed: Buffer | null;
}

const toClient = (row: ClientRow): ClientRecord => ({
  clientId: row.client_id,
  tenantId: row.tenant_id,
  isFirstParty: row.is_first_party,
  metadata: row.metadata,
  secretHash: row.secret_hash,
  secretSealed: row.secret_sealed,
  isDisabled: row.disabled_at !== null,
  createdAt: row.created_at,
});

/** A client of any tenant: its id is what a request names before a tenant is known. */
export async function findClient(knex: Knex, clientId: string): Promise<ClientRecord | undefined> {
  const row = await knex<ClientRow>('clients').where({ client_id: clientId }).first();
  return row && toClient(row);
}

export async function listClients(knex: Knex, tenantId?: string): Promise<ClientRecord[]> {
  const rows = await knex<ClientRow>('clients')
    .modify((query) => {
      if (tenantId) query.where({ tenant_id: tenantId });
    })
    .orderBy(['created_at', 'client_id']);
  return rows.map(toClient);
}

/** Whether a user has this id: it would be the `sub` of both (RFC 9700 4.15). */
export async function isUserId(trx: Knex.Transaction, id: string): Promise<boolean> {
  return isUuid(id) && (await trx('users').where({ id }).first('id')) !== undefined;
}

export async function insertClient(trx: Knex.Transaction, client: ClientRecord): Promise<void> {
  await trx('clients').insert({
    client_id: client.clientId,
    tenant_id: client.tenantId,
    is_first_party: client.isFirstParty,
    metadata: JSON.stringify(client.metadata),
    secret_hash: client.secretHash,
    secret_sealed: client.secretSealed,
    created_at: client.createdAt,
    updated_at: client.createdAt,
  });
}

/** @returns whether there was such a client in the tenant */
export async function deleteClient(
  trx: Knex.Transaction,
  tenantId: string,
  clientId: string,
): Promise<boolean> {
  const deleted = await trx('clients').where({ tenant_id: tenantId, client_id: clientId }).delete();
  if (deleted > 0) {
    await trx('oidc_refresh_tokens').where({ client_id: clientId }).delete();
    await trx('oidc_grants').where({ client_id: clientId }).delete();
  }
  return deleted > 0;
}
