import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { isUuid } from '../../kernel/ids.ts';
import { type GivenGrant, type GrantPayload, toGivenGrant } from './grants.ts';

/** An application that may do something on behalf of a user. */
export interface Application {
  clientId: string;
  /** What its live grants allow, one for each session or device that it was allowed on. */
  grants: GivenGrant[];
  /** When it was first allowed, of what still holds. */
  since: Date;
  /** When it last got tokens. */
  lastUsedAt: Date;
  /** Whether it can get tokens while the person is away. */
  hasRefreshTokens: boolean;
}

/** Grants that are read of one user at most, those that end last first. */
const MOST_GRANTS = 1_000;

/** Time is in the payload as seconds since the epoch. */
type TimedPayload = GrantPayload & { iat?: number };

interface GrantRow {
  id: string;
  client_id: string;
  payload: TimedPayload;
  expires_at: Date;
}

interface RefreshRow {
  grant_id: string;
  payload: { iat?: number };
}

const toDate = ({ iat }: { iat?: number }): Date => new Date((iat ?? 0) * 1_000);

/** The refresh token of each grant that is good yet. */
async function findRefreshTokens(
  knex: Knex,
  grantIds: readonly string[],
  now: Date,
): Promise<Map<string, Date>> {
  const rows: RefreshRow[] = await knex('oidc_refresh_tokens')
    .whereIn('grant_id', [...grantIds])
    .whereNull('consumed_at')
    .where('expires_at', '>', now)
    .select('grant_id', 'payload');
  const issued = new Map<string, Date>();
  for (const { grant_id, payload } of rows) {
    const before = issued.get(grant_id);
    const at = toDate(payload);
    if (!before || before < at) issued.set(grant_id, at);
  }
  return issued;
}

const latest = (dates: readonly Date[]): Date =>
  new Date(Math.max(...dates.map((date) => date.getTime())));

/** What a user allows which applications, the one used last first. */
export async function listApplications(
  { knex, clock }: { knex: Knex; clock: Clock },
  userId: string,
): Promise<Application[]> {
  if (!isUuid(userId)) return [];
  const now = new Date(clock.now());
  const rows: GrantRow[] = await knex('oidc_grants')
    .where({ user_id: userId })
    .whereNull('revoked_at')
    .where('expires_at', '>', now)
    .orderBy([{ column: 'expires_at', order: 'desc' }, 'id'])
    .limit(MOST_GRANTS)
    .select('id', 'client_id', 'payload', 'expires_at');
  const refreshed = await findRefreshTokens(
    knex,
    rows.map(({ id }) => id),
    now,
  );
  const byClient = Map.groupBy(rows, ({ client_id }) => client_id);
  const applications = [...byClient].map(([clientId, own]): Application => {
    const given = own.map(({ payload }) => toDate(payload));
    const used = own.flatMap(({ id }) => refreshed.get(id) ?? []);
    return {
      clientId,
      grants: own.map(toGivenGrant),
      since: new Date(Math.min(...given.map((date) => date.getTime()))),
      lastUsedAt: latest([...given, ...used]),
      hasRefreshTokens: used.length > 0,
    };
  });
  return applications.sort((a, b) => b.lastUsedAt.getTime() - a.lastUsedAt.getTime());
}

/** A live session that was signed in to an application, as it is after that was taken out of it. */
export interface LeftSession {
  id: string;
  user_id: string;
  tenant_id: string | null;
}

/** Takes an application out of all live sessions of a user; in the order of ids, as everywhere. */
export async function leaveSessions(
  trx: Knex.Transaction,
  which: { userId: string; clientId: string },
  now: Date,
): Promise<LeftSession[]> {
  const live = trx('sessions')
    .select('id')
    .where({ user_id: which.userId })
    .whereNull('ended_at')
    .where('expires_at', '>', now)
    .whereRaw('jsonb_exists(authorizations, ?)', [which.clientId])
    .orderBy('id')
    .forUpdate();
  return trx('sessions')
    .whereIn('id', live)
    .update({ authorizations: trx.raw('authorizations - ?::text', [which.clientId]) })
    .returning(['id', 'user_id', 'tenant_id']);
}

/** Grants of a user for one application, those that were revoked a while ago too. */
export const grantsForClient = (
  trx: Knex.Transaction,
  which: { userId: string; clientId: string },
): Promise<{ id: string; tenant_id: string | null; revoked_at: Date | null }[]> =>
  trx('oidc_grants')
    .where({ user_id: which.userId, client_id: which.clientId })
    .orderBy('id')
    .select('id', 'tenant_id', 'revoked_at');
