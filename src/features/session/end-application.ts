import { isUuid } from '../../kernel/ids.ts';
import { recordLogouts } from '../logout-delivery/index.ts';
import { grantsForClient, leaveSessions } from './applications.ts';
import { type EndingDeps, endingNow, tellEnded, toEntries } from './ending.ts';
import { sessionEvents } from './events.ts';
import { revokeGrants } from './grants.ts';

/** See `endApplication` of the session service. */
export async function endApplication(
  deps: EndingDeps,
  which: { userId: string; clientId: string },
): Promise<boolean> {
  const { userId, clientId } = which;
  if (!isUuid(userId)) return false;
  const at = endingNow(deps);
  const ended = await deps.knex.transaction(async (trx) => {
    const left = await leaveSessions(trx, which, at.now);
    const grants = await grantsForClient(trx, which);
    const live = grants.filter(({ revoked_at }) => revoked_at === null);
    await revokeGrants(
      trx,
      live.map(({ id }) => id),
      [],
      at,
    );
    if (live.length + left.length > 0) {
      const tenantId = left[0]?.tenant_id ?? live[0]?.tenant_id ?? null;
      const facts = { subject: userId, tenantId, actorId: userId };
      await deps.emit(trx, sessionEvents.applicationRevoked, facts, { userId, clientId });
    }
    const sessions = left.map((one) => ({ ...one, authorizations: { [clientId]: {} } }));
    return { grants, left, logouts: await recordLogouts(trx, sessions, at.now) };
  });
  tellEnded(deps, { sessions: [], logouts: ended.logouts });
  const grantIds = ended.grants.map(({ id }) => id);
  await deps.revocations.revoke(toEntries([], grantIds));
  return ended.left.length + grantIds.length > 0;
}
