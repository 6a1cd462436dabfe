import type { Knex } from 'knex';
import { isUuid } from '../../kernel/ids.ts';
import type { ClientDetails, ClientMetadata, ClientName } from './schema.ts';
import type { SecretAtRest } from './secrets.ts';

interface ClientRow {
  client_id: string;
  tenant_id: string;
  is_first_party: boolean;
  metadata: ClientMetadata;
  secret_hash: Buffer | null;
  secret_sealed: Buffer | null;
  previous_secret_hash: Buffer | null;
  previous_secret_sealed: Buffer | null;
  previous_secret_expires_at: Date | null;
  disabled_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
  self_registered_at: Date | null;
  initial_access_token_id: string | null;
  first_token_at: Date | null;
}

/** A client with its secrets as they are kept. */
export interface ClientRecord extends ClientDetails, SecretAtRest {
  previousHash: Buffer | null;
  previousSealed: Buffer | null;
  initialAccessTokenId: string | null;
}

const toClient = (row: ClientRow): ClientRecord => ({
  clientId: row.client_id,
  tenantId: row.tenant_id,
  isFirstParty: row.is_first_party,
  metadata: row.metadata,
  secretHash: row.secret_hash,
  secretSealed: row.secret_sealed,
  previousHash: row.previous_secret_hash,
  previousSealed: row.previous_secret_sealed,
  previousSecretExpiresAt: row.previous_secret_expires_at,
  isDisabled: row.disabled_at !== null,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  selfRegisteredAt: row.self_registered_at,
  initialAccessTokenId: row.initial_access_token_id,
  firstTokenAt: row.first_token_at,
});

/** A client of any tenant: its id is what a request names before a tenant is known. */
export async function findClient(knex: Knex, clientId: string): Promise<ClientRecord | undefined> {
  // NUL cannot be in a text column: such an id is nobody's.
  if (clientId.includes('\0')) return undefined;
  const row = await knex<ClientRow>('clients').where({ client_id: clientId }).first();
  return row && toClient(row);
}

const byName = ({ tenantId, clientId }: ClientName) => ({
  tenant_id: tenantId,
  client_id: clientId,
});

/** A client of this tenant, disabled ones too. */
export async function getClient(knex: Knex, name: ClientName): Promise<ClientRecord | undefined> {
  const row = await knex<ClientRow>('clients').where(byName(name)).first();
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
    version: client.version,
    created_at: client.createdAt,
    updated_at: client.updatedAt,
    self_registered_at: client.selfRegisteredAt,
    initial_access_token_id: client.initialAccessTokenId,
  });
}

/** Writes a client whole, unless it has changed since it was read. @returns whether it was written */
export async function replaceClient(knex: Knex, client: ClientRecord): Promise<boolean> {
  const updated = await knex('clients')
    .where({ ...byName(client), version: client.version })
    .update({
      is_first_party: client.isFirstParty,
      metadata: JSON.stringify(client.metadata),
      secret_hash: client.secretHash,
      secret_sealed: client.secretSealed,
      previous_secret_hash: client.previousHash,
      previous_secret_sealed: client.previousSealed,
      previous_secret_expires_at: client.previousSecretExpiresAt,
      version: client.version + 1,
      updated_at: client.updatedAt,
    });
  return updated > 0;
}

/** Disables or enables. @returns the client, changed or as it was already; undefined: none such */
export async function setDisabled(
  knex: Knex,
  name: ClientName,
  { isDisabled, at }: { isDisabled: boolean; at: Date },
): Promise<ClientRecord | undefined> {
  const [row] = await knex<ClientRow>('clients')
    .where(byName(name))
    .modify((query) => {
      if (isDisabled) query.whereNull('disabled_at');
      else query.whereNotNull('disabled_at');
    })
    .update({
      disabled_at: isDisabled ? at : null,
      version: knex.raw('version + 1') as unknown as number,
      updated_at: at,
    })
    .returning('*');
  return row ? toClient(row) : getClient(knex, name);
}

/** Notes that a client that registered itself is in use. */
export async function noteFirstToken(knex: Knex, clientId: string, at: Date): Promise<void> {
  await knex('clients')
    .where({ client_id: clientId })
    .whereNotNull('self_registered_at')
    .whereNull('first_token_at')
    .update({ first_token_at: at });
}

const unused = (knex: Knex) =>
  knex<ClientRow>('clients').whereNotNull('self_registered_at').whereNull('first_token_at');

/** How many clients registered themselves, without a token to do so, and never used it; up to `most`. */
export async function countUnusedOpen(knex: Knex, most: number): Promise<number> {
  const found = await unused(knex)
    .whereNull('initial_access_token_id')
    .limit(most)
    .select('client_id');
  return found.length;
}

/** Clients that registered themselves before a time and were never given a token. */
export const listUnused = (knex: Knex, before: Date, limit: number) =>
  unused(knex)
    .where('self_registered_at', '<', before)
    .orderBy('self_registered_at')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .select('tenant_id as tenantId', 'client_id as clientId');

/** @returns whether there was such a client in the tenant */
export async function deleteClient(trx: Knex.Transaction, name: ClientName): Promise<boolean> {
  const deleted = await trx('clients').where(byName(name)).delete();
  if (deleted > 0) {
    await trx('oidc_refresh_tokens').where({ client_id: name.clientId }).delete();
    await trx('oidc_grants').where({ client_id: name.clientId }).delete();
    await trx('oidc_registration_tokens').where({ client_id: name.clientId }).delete();
  }
  return deleted > 0;
}
