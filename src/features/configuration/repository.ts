import type { Knex } from 'knex';
import type { Configuration, Group } from './schema.ts';

/** A setting with what is sealed of it. */
export interface StoredConfiguration extends Configuration {
  sealed: Buffer | null;
}

interface Row {
  id: string;
  tenant_id: string | null;
  group: Group;
  key: string;
  settings: Record<string, unknown>;
  credentials_sealed: Buffer | null;
  version: number;
  updated_at: Date;
}

export interface Place {
  /** Null for the platform. */
  tenantId: string | null;
  group: Group;
  key: string;
}

const toStored = (row: Row): StoredConfiguration => ({
  id: row.id,
  tenantId: row.tenant_id,
  group: row.group,
  key: row.key,
  settings: row.settings,
  hasCredentials: row.credentials_sealed !== null,
  version: row.version,
  updatedAt: row.updated_at,
  sealed: row.credentials_sealed,
});

const at = ({ tenantId, group, key }: Place) => ({ tenant_id: tenantId, group, key });

/** Of one tenant, of the platform (null), or all. */
export async function listConfigurations(
  knex: Knex,
  tenantId?: string | null,
): Promise<StoredConfiguration[]> {
  const rows = await knex<Row>('configurations')
    .modify((query) => {
      if (tenantId !== undefined) query.where({ tenant_id: tenantId });
    })
    .orderBy([{ column: 'tenant_id', nulls: 'first' }, 'group', 'key']);
  return rows.map(toStored);
}

/** Locked until the transaction ends, so that changes of one setting follow one another. */
export async function lockConfiguration(
  trx: Knex.Transaction,
  place: Place,
): Promise<StoredConfiguration | undefined> {
  const row = await trx<Row>('configurations').where(at(place)).forUpdate().first();
  return row && toStored(row);
}

/** Inserts or replaces. A first one that another process inserted meanwhile violates the constraint. */
export async function saveConfiguration(
  trx: Knex.Transaction,
  configuration: StoredConfiguration,
): Promise<void> {
  const { id, settings, sealed, version, updatedAt } = configuration;
  const values = {
    settings: JSON.stringify(settings),
    credentials_sealed: sealed,
    version,
    updated_at: updatedAt,
  };
  if (version === 1) await trx('configurations').insert({ id, ...at(configuration), ...values });
  else await trx('configurations').where({ id }).update(values);
}

export async function deleteConfiguration(trx: Knex.Transaction, id: string): Promise<void> {
  await trx('configurations').where({ id }).delete();
}
