import type { Knex } from 'knex';

/** The chain of events that belong to no tenant. */
export const SYSTEM_CHAIN = '00000000-0000-0000-0000-000000000000';

/** An entry as the database writes it, every fact as text: what its hash was made of. */
export interface Entry {
  position: string;
  id: string;
  seq: string;
  type: string;
  subject: string;
  tenant_id: string | null;
  actor_id: string | null;
  request_id: string | null;
  data: string;
  occurred_at: string;
  hash: Buffer;
}

/** How far a chain goes, by what is kept beside the log. */
export interface Head {
  length: number;
  hash: Buffer;
}

/** Ids of all chains: those that have a head, and those that have entries. */
export async function listChains(knex: Knex): Promise<string[]> {
  const { rows } = await knex.raw(
    `SELECT id FROM audit_chains UNION SELECT audit_chain_of(tenant_id) FROM audit_log ORDER BY 1`,
  );
  return rows.map(({ id }: { id: string }) => id);
}

export async function readHead(knex: Knex, chain: string): Promise<Head | undefined> {
  const row = await knex('audit_chains').where({ id: chain }).first();
  return row && { length: Number(row.length), hash: row.hash };
}

/** Entries of a chain after a position, up to another, in order. */
export async function readEntries(
  knex: Knex,
  chain: string,
  range: { after: number; upTo: number },
  limit: number,
): Promise<Entry[]> {
  const { rows } = await knex.raw(
    `SELECT position, id, seq, type, subject, tenant_id, actor_id, request_id, data::text AS data,
            to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
            hash
       FROM audit_log
      WHERE audit_chain_of(tenant_id) = ? AND position > ? AND position <= ?
      ORDER BY position LIMIT ?`,
    [chain, range.after, range.upTo, limit],
  );
  return rows;
}

/** The first position that the head of the chain does not know of; by one view of the database. */
export async function findBeyondHead(knex: Knex, chain: string): Promise<number | undefined> {
  const { rows } = await knex.raw(
    `SELECT min(position) AS position FROM audit_log WHERE audit_chain_of(tenant_id) = :chain
        AND (position < 1 OR position >
             coalesce((SELECT length FROM audit_chains WHERE id = :chain), 0))`,
    { chain },
  );
  return rows[0].position === null ? undefined : Number(rows[0].position);
}
