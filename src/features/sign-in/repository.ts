import type { Knex } from 'knex';
import { insertEvent } from '../../kernel/event-row.ts';

export interface NewBrowser {
  id: string;
  userId: string;
  tenantId: string;
  hash: Buffer;
  /** Kept for a notice only. */
  clientIp: string | null;
  userAgent: string | null;
  now: Date;
  expiresAt: Date;
}

/** A browser that a user has signed in from. */
export interface KnownBrowser {
  id: string;
  lastSeenAt: Date;
}

export async function findBrowser(
  knex: Knex,
  user: { id: string; tenantId: string },
  hash: Buffer,
  now: Date,
): Promise<KnownBrowser | undefined> {
  const row = await knex('known_browsers')
    .where({ user_id: user.id, tenant_id: user.tenantId, browser_hash: hash })
    .where('expires_at', '>', now)
    .first('id', 'last_seen_at');
  return row && { id: row.id, lastSeenAt: row.last_seen_at };
}

const USE = `
  WITH known AS MATERIALIZED (
    SELECT id, last_seen_at FROM known_browsers
     WHERE user_id = ? AND tenant_id = ? AND browser_hash = ? AND expires_at > ?
  ), touched AS (
    UPDATE known_browsers SET last_seen_at = ?, expires_at = ?
     WHERE id = (SELECT id FROM known WHERE last_seen_at < ?)
  ), told AS (${insertEvent('?', 'known')})
  SELECT id FROM known`;

/**
 * Uses a browser of a user, if it is one: with the event of that, in one statement.
 * @param used `touchBefore` is when it was last noted at the latest, to be noted again
 * @returns false when it is not known, and nothing was written
 */
export async function useBrowser(
  knex: Knex,
  user: { id: string; tenantId: string },
  hash: Buffer,
  used: { now: Date; expiresAt: Date; touchBefore: Date; event: string },
): Promise<boolean> {
  const { now, expiresAt, touchBefore, event } = used;
  const values = [user.id, user.tenantId, hash, now, now, expiresAt, touchBefore, event];
  const { rows } = await knex.raw(USE, values).options({ name: 'browser-use' });
  return rows.length > 0;
}

export async function touchBrowser(
  trx: Knex.Transaction,
  id: string,
  { now, expiresAt }: { now: Date; expiresAt: Date },
): Promise<void> {
  await trx('known_browsers').where({ id }).update({ last_seen_at: now, expires_at: expiresAt });
}

/** Whether a browser of a user has proved a second factor that still counts. */
export async function isRemembered(
  knex: Knex,
  user: { id: string; tenantId: string },
  hash: Buffer,
  now: Date,
): Promise<boolean> {
  const row = await knex('known_browsers')
    .where({ user_id: user.id, tenant_id: user.tenantId, browser_hash: hash })
    .where('expires_at', '>', now)
    .where('second_factor_until', '>', now)
    .first('id');
  return row !== undefined;
}

/** Remembers that a browser of a user has proved a second factor. */
export async function rememberBrowser(
  trx: Knex.Transaction,
  user: { id: string; tenantId: string },
  hash: Buffer,
  until: Date,
): Promise<void> {
  await trx('known_browsers')
    .where({ user_id: user.id, tenant_id: user.tenantId, browser_hash: hash })
    .update({ second_factor_until: until });
}

/** @returns false when another sign-in from the same browser was quicker */
export async function insertBrowser(trx: Knex.Transaction, browser: NewBrowser): Promise<boolean> {
  const rows = await trx('known_browsers')
    .insert({
      id: browser.id,
      user_id: browser.userId,
      tenant_id: browser.tenantId,
      browser_hash: browser.hash,
      client_ip: browser.clientIp,
      user_agent: browser.userAgent,
      first_seen_at: browser.now,
      last_seen_at: browser.now,
      expires_at: browser.expiresAt,
    })
    .onConflict(['user_id', 'browser_hash'])
    .merge(['last_seen_at', 'expires_at'])
    .returning(['id']);
  return rows[0]?.id === browser.id;
}

/** Whether the user has signed in from any browser before, the one named left out. */
export async function hasBrowsersBeside(
  trx: Knex.Transaction,
  user: { id: string; tenantId: string },
  id: string,
  now: Date,
): Promise<boolean> {
  const row = await trx('known_browsers')
    .where({ user_id: user.id, tenant_id: user.tenantId })
    .whereNot({ id })
    .where('expires_at', '>', now)
    .first('id');
  return row !== undefined;
}

/** Keeps those of a user that were used last. */
export async function trimBrowsers(
  trx: Knex.Transaction,
  user: { id: string; tenantId: string },
  most: number,
): Promise<void> {
  const surplus = trx('known_browsers')
    .where({ user_id: user.id, tenant_id: user.tenantId })
    .orderBy([
      { column: 'last_seen_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .offset(most)
    .select('id');
  await trx('known_browsers').whereIn('id', surplus).delete();
}

/** Hashes of all browsers that vouch for a user. */
export const listBrowserHashes = async (
  knex: Knex,
  user: { id: string; tenantId: string },
): Promise<Buffer[]> =>
  knex('known_browsers')
    .where({ user_id: user.id, tenant_id: user.tenantId })
    .pluck('browser_hash');

export async function deleteBrowsers(
  trx: Knex.Transaction,
  user: { id: string; tenantId: string },
): Promise<number> {
  return trx('known_browsers').where({ user_id: user.id, tenant_id: user.tenantId }).delete();
}

/** Where a first sign-in from a browser came from; undefined once that was told, or forgotten. */
export interface FirstSeen {
  at: Date;
  clientIp: string | null;
  userAgent: string | null;
}

export async function findFirstSeen(
  knex: Knex,
  tenantId: string,
  id: string,
): Promise<FirstSeen | undefined> {
  const row = await knex('known_browsers')
    .where({ id, tenant_id: tenantId })
    .first('first_seen_at', 'client_ip', 'user_agent');
  if (!row) return undefined;
  return { at: row.first_seen_at, clientIp: row.client_ip, userAgent: row.user_agent };
}

export async function clearFirstSeen(knex: Knex, tenantId: string, id: string): Promise<void> {
  await knex('known_browsers')
    .where({ id, tenant_id: tenantId })
    .update({ client_ip: null, user_agent: null });
}
