/**
 * Writes events as the service does, each with its own transaction, until every
 * user has so many; goes on where one that was killed stopped. A program, so
 * that it can be killed between a commit and what follows.
 */
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { userEvents } from '../../src/features/user/index.ts';

const { TENANT_ID: tenantId = '', EVENTS_EACH, ...env } = process.env;
const deps = await createDeps(parseConfig(env));
const { knex } = deps.postgres;

/** Users that write at once. */
const PARALLEL = 8;

const users: { id: string; written: number }[] = await knex('users')
  .leftJoin('outbox_events', 'outbox_events.subject', knex.raw('users.id::text'))
  .where('users.tenant_id', tenantId)
  .whereLike('users.email', 'reader-%')
  .groupBy('users.id')
  .select({ id: 'users.id' })
  .select(knex.raw('count(outbox_events.id)::int AS written'));

async function write(user: { id: string; written: number }): Promise<void> {
  for (let n = user.written; n < Number(EVENTS_EACH); n += 1) {
    await knex.transaction((trx) =>
      deps.emit(
        trx,
        userEvents.profileUpdated,
        { subject: user.id, tenantId, actorId: null },
        { userId: user.id, changed: [`note-${n}`] },
      ),
    );
  }
}

const queue = users.values();
await Promise.all(
  Array.from({ length: PARALLEL }, async () => {
    for (const user of queue) await write(user);
  }),
);
await deps.close();
