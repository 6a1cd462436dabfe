import type { Knex } from 'knex';

/**
 * Back-channel logouts that are owed to clients. A row is written in the
 * transaction that ends the session, so that none is lost with the queue.
 *
 * No foreign keys to users and clients: who was deleted in the meantime is
 * still to be logged out, or the delivery finds that there is nobody to tell.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE backchannel_logouts (
      id          uuid PRIMARY KEY,
      session_id  uuid NOT NULL,
      client_id   text NOT NULL,
      user_id     uuid NOT NULL,
      tenant_id   uuid REFERENCES tenants,
      state       text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'delivered', 'failed')),
      attempts    integer NOT NULL DEFAULT 0,
      last_status smallint,
      last_error  text,
      next_try_at timestamptz NOT NULL,
      created_at  timestamptz NOT NULL,
      settled_at  timestamptz
    );
    CREATE INDEX backchannel_logouts_pending ON backchannel_logouts (next_try_at)
      WHERE state = 'pending';
    CREATE INDEX backchannel_logouts_settled ON backchannel_logouts (settled_at)
      WHERE settled_at IS NOT NULL;
    CREATE INDEX backchannel_logouts_session ON backchannel_logouts (session_id);
  `);
}
