import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { isUuid } from '../../kernel/ids.ts';
import type { StoredClient } from '../client/index.ts';
import { describeDevice } from '../session/index.ts';
import { ABOUT_USER, ENDED, kindOf } from './kinds.ts';
import { type ActivityRow, listActivity, type Position } from './repository.ts';
import type { ActivityEntry, ActivityPage } from './schema.ts';

/** Milliseconds that a person's history goes back. */
const AGE = 90 * 24 * 3_600_000;

/** The greatest id there is. */
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

export interface ActivityDeps {
  knex: Knex;
  clock: Clock;
  findClient(clientId: string): Promise<StoredClient | undefined>;
}

export type ActivityService = ReturnType<typeof createActivityService>;

const toCursor = ({ at, id }: Position): string =>
  Buffer.from(`${at.getTime()}.${id}`).toString('base64url');

/** @throws AppError IDENT_VALIDATION */
function readCursor(cursor: string): Position {
  const [time = '', id] = Buffer.from(cursor, 'base64url').toString().split('.');
  const at = /^\d{1,15}$/.test(time) ? new Date(Number(time)) : undefined;
  if (at && isUuid(id)) return { at, id };
  throw new AppError('IDENT_VALIDATION', {
    errors: [{ path: 'query.cursor', message: 'is not one of ours' }],
  });
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** The history of an account, for its owner alone. */
export function createActivityService({ knex, clock, findClient }: ActivityDeps) {
  /** Names of the applications that a page of the history is about. */
  async function findNames(rows: readonly ActivityRow[]): Promise<Map<string, string | null>> {
    const ids = [...new Set(rows.flatMap(({ data }) => text(data.clientId) ?? []))];
    const found = await Promise.all(ids.map(findClient));
    return new Map(ids.map((id, index) => [id, text(found[index]?.metadata.client_name)]));
  }

  function toEntry(row: ActivityRow, names: Map<string, string | null>): ActivityEntry {
    const { data } = row;
    const clientId = text(data.clientId);
    return {
      id: row.id,
      at: row.at.toISOString(),
      kind: kindOf(row.type),
      sessionId: row.session_id,
      clientIp: row.client_ip,
      userAgent: row.user_agent,
      device: describeDevice(row.user_agent),
      amr: row.amr ?? [],
      reason: row.type === ENDED ? text(data.reason) : null,
      factor: text(data.type) ?? text(data.method),
      by: text(data.by),
      client: clientId === null ? null : { clientId, name: names.get(clientId) ?? null },
    };
  }

  return {
    /**
     * A page of what happened to an account within the last 90 days, the newest first.
     * Events are there once the outbox has been worked off, within seconds.
     * @throws AppError IDENT_VALIDATION for a cursor that is none
     */
    async list(
      user: { id: string; tenantId: string },
      { cursor, limit }: { cursor?: string | undefined; limit: number },
    ): Promise<ActivityPage> {
      const now = clock.now();
      const before = cursor === undefined ? { at: new Date(now), id: LAST } : readCursor(cursor);
      const rows = await listActivity(knex, {
        user,
        types: ABOUT_USER,
        endedType: ENDED,
        since: new Date(now - AGE),
        before,
        limit: limit + 1,
      });
      const page = rows.slice(0, limit);
      const names = await findNames(page);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        activity: page.map((row) => toEntry(row, names)),
        next: last ? toCursor(last) : null,
      };
    },
  };
}
