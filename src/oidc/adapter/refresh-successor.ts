import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { RefreshRaceLost } from '../internals.ts';
import { hashId } from './ids.ts';
import type { Database } from './pipeline.ts';

/**
 * The successor of a refresh token, kept for the seconds of a reuse grace. It is
 * encrypted under a key derived from the used token's bearer value, of which the
 * database has a hash only: whoever reads the database learns nothing.
 */

const IV_BYTES = 12;
const TAG_BYTES = 16;

const keyOf = (id: string): Buffer =>
  Buffer.from(hkdfSync('sha256', id, '', 'gatehouse refresh successor', 32));

function seal(id: string, successor: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(id), iv).setAAD(hashId(id));
  const body = Buffer.concat([cipher.update(successor), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

function open(id: string, ciphertext: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(id), ciphertext.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  })
    .setAAD(hashId(id))
    .setAuthTag(ciphertext.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  const body = ciphertext.subarray(IV_BYTES + TAG_BYTES);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString();
}

/** The used token's row must be there: once its family is revoked, it gives nothing. */
const FIND = {
  name: 'refresh-successor',
  text: `SELECT s.ciphertext FROM oidc_refresh_successors s
    JOIN oidc_refresh_tokens r ON r.id_hash = s.id_hash
    WHERE s.id_hash = $1 AND s.expires_at > $2`,
};

/** As an ordinary rotation, and the successor for those who ask again. */
const ROTATE = {
  name: 'refresh-rotate-keeping',
  text: `WITH consumed AS (UPDATE oidc_refresh_tokens SET consumed_at = $9
      WHERE id_hash = $8 AND consumed_at IS NULL RETURNING 1),
    kept AS (INSERT INTO oidc_refresh_successors (id_hash, ciphertext, expires_at)
      SELECT $8, $10, $11 FROM consumed)
    INSERT INTO oidc_refresh_tokens
      (id_hash, grant_id, session_id, user_id, client_id, payload, expires_at)
    SELECT $1, $2, $3::uuid, $4::uuid, $5, $6::json, $7 FROM consumed RETURNING 1`,
};

/** The successor of a refresh token that was used within its grace. */
export async function findSuccessor(
  pool: Database,
  id: string,
  now: Date,
): Promise<string | undefined> {
  const { rows } = await pool.query<{ ciphertext: Buffer }>({ ...FIND, values: [hashId(id), now] });
  return rows[0] && open(id, rows[0].ciphertext);
}

/**
 * Rotates a refresh token whose client has a grace. Of any number of uses at
 * once one makes the successor, and the others are given that one.
 * @param values the columns of the successor's row, as they are inserted
 * @returns the bearer value of the successor that another use has made; undefined: this one has
 * @throws RefreshRaceLost when the token is gone, or was used before the grace
 */
export async function rotateWithGrace(
  pool: Database,
  used: { id: string; at: Date; grace: number },
  successor: { id: string; values: readonly unknown[] },
): Promise<string | undefined> {
  const { id, at, grace } = used;
  const until = new Date(at.getTime() + grace * 1000);
  const values = [...successor.values, hashId(id), at, seal(id, successor.id), until];
  const { rowCount } = await pool.query({ ...ROTATE, values });
  if (rowCount !== 0) return undefined;
  const made = await findSuccessor(pool, id, at);
  if (made === undefined) throw new RefreshRaceLost('the refresh token was used before');
  return made;
}
