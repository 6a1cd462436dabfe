import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import {
  type Entry,
  findBeyondHead,
  listChains,
  readEntries,
  readHead,
  SYSTEM_CHAIN,
} from './repository.ts';

/** Entries that are read at once. */
const BATCH = 2_000;

/** Where a chain was at some time, kept where nobody who can change the database can change it. */
export interface Checkpoint {
  /** Null: the chain of events that belong to no tenant. */
  tenantId: string | null;
  length: number;
  /** Hexadecimal. */
  hash: string;
}

export type Fault =
  /** The entry is not what it was, or not where it was. */
  | 'altered'
  /** An entry was taken out. */
  | 'missing'
  /** The last entries were taken off. */
  | 'truncated'
  /** An entry was added past the trigger. */
  | 'added'
  /** The chain is not the one of the checkpoint: it was written anew. */
  | 'rewritten';

export interface ChainReport extends Checkpoint {
  /** Where the chain breaks first; null when it holds. */
  broken: { fault: Fault; position: number; eventId: string | null } | null;
}

export interface AuditService {
  /** Ids of the tenants that have a chain; null for events of no tenant. */
  listChains(): Promise<(string | null)[]>;
  /** Computes a chain anew from its first entry, in batches, and compares. */
  verify(tenantId: string | null, checkpoint?: Checkpoint): Promise<ChainReport>;
}

const sha256 = (...parts: (string | Buffer)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** A fact with its length in bytes, as in the migration that made the chains. */
const fact = (text: string | null): string =>
  text === null ? '-,' : `${Buffer.byteLength(text)}:${text},`;

const hashOf = (previous: Buffer, entry: Entry): Buffer =>
  sha256(
    previous,
    [
      entry.position,
      entry.id,
      entry.seq,
      entry.type,
      entry.subject,
      entry.tenant_id,
      entry.actor_id,
      entry.request_id,
      entry.data,
      entry.occurred_at,
    ]
      .map(fact)
      .join(''),
  );

/** As far as a chain was followed. */
interface Link {
  length: number;
  hash: Buffer;
}

/** Checkpoints to keep elsewhere: where chains that hold are now. */
export const checkpoints = (reports: readonly ChainReport[]): Checkpoint[] =>
  reports
    .filter(({ broken }) => broken === null)
    .map(({ tenantId, length, hash }) => ({ tenantId, length, hash }));

class Broken extends Error {
  readonly broken: NonNullable<ChainReport['broken']>;
  constructor(fault: Fault, position: number, eventId: string | null = null) {
    super(fault);
    this.broken = { fault, position, eventId };
  }
}

/** Follows one entry. @throws Broken */
function follow(last: Link, entry: Entry, checkpoint: Checkpoint | undefined): Link {
  const position = Number(entry.position);
  if (position !== last.length + 1) throw new Broken('missing', last.length + 1);
  const hash = hashOf(last.hash, entry);
  if (!hash.equals(entry.hash)) throw new Broken('altered', position, entry.id);
  if (checkpoint?.length === position && checkpoint.hash !== hash.toString('hex')) {
    throw new Broken('rewritten', position, entry.id);
  }
  return { length: position, hash };
}

/** @throws Broken */
function assertComplete(last: Link, head: Link, checkpoint: Checkpoint | undefined): void {
  if (last.length < Math.max(head.length, checkpoint?.length ?? 0)) {
    throw new Broken('truncated', last.length + 1);
  }
  if (!head.hash.equals(last.hash)) throw new Broken('rewritten', last.length);
}

/** The audit log, for those who check it. */
export function createAuditService({ knex }: { knex: Knex }): AuditService {
  /** Moves `last` along the chain. @throws Broken */
  async function followTo(last: Link, upTo: number, chain: string, checkpoint?: Checkpoint) {
    for (;;) {
      const entries = await readEntries(knex, chain, { after: last.length, upTo }, BATCH);
      for (const entry of entries) Object.assign(last, follow(last, entry, checkpoint));
      if (entries.length < BATCH) return;
    }
  }

  /** The same to the head of the chain, which may move meanwhile. @throws Broken */
  async function followAll(last: Link, chain: string, checkpoint?: Checkpoint): Promise<void> {
    for (;;) {
      const head = (await readHead(knex, chain)) ?? { length: 0, hash: last.hash };
      await followTo(last, head.length, chain, checkpoint);
      assertComplete(last, head, checkpoint);
      const beyond = await findBeyondHead(knex, chain);
      if (beyond !== undefined) throw new Broken('added', beyond);
      if (((await readHead(knex, chain))?.length ?? 0) === head.length) return;
    }
  }

  return {
    async listChains() {
      return (await listChains(knex)).map((id) => (id === SYSTEM_CHAIN ? null : id));
    },
    async verify(tenantId, checkpoint) {
      const chain = tenantId ?? SYSTEM_CHAIN;
      const last: Link = { length: 0, hash: sha256(`gatehouse-audit-1:${chain}`) };
      let broken: ChainReport['broken'] = null;
      try {
        await followAll(last, chain, checkpoint);
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        broken = error.broken;
      }
      return { tenantId, length: last.length, hash: last.hash.toString('hex'), broken };
    },
  };
}
