import type { Knex } from 'knex';
import type { Identifier } from './identifier.ts';
import { toUser, type UserRow } from './repository.ts';
import type { User } from './schema.ts';

export interface UserWithPassword extends User {
  passwordHash: string | null;
  /** Whether the tenant that was asked for is this user's home. */
  isHome: boolean;
  /** Kinds of second factors that the user can be asked for. */
  secondFactors: string[];
  /** When the user was first told that one is due. */
  secondFactorAskedAt: Date | null;
  /** Whether the home tenant demands a second factor of everybody. */
  isSecondFactorRequired: boolean;
  passwordSetAt: Date | null;
  /** Sign-ins of before then count for nothing. */
  signedOutAt: Date | null;
}

interface CandidateRow extends UserRow {
  password_hash: string | null;
  password_set_at: Date | null;
  signed_out_at: Date | null;
  second_factors: string[];
  is_second_factor_required: boolean;
}

/** All that a sign-in needs to know of a user, in one statement. */
const CANDIDATES = `
  SELECT u.*, p.hash AS password_hash, p.changed_at AS password_set_at,
         second_factors(u.id) AS second_factors,
         COALESCE((t.settings ->> 'mfaRequired')::boolean, false) AS is_second_factor_required
    FROM users u
    JOIN tenants t ON t.id = u.tenant_id
    LEFT JOIN user_passwords p ON p.user_id = u.id AND p.tenant_id = u.tenant_id`;

const toCandidate = (row: CandidateRow, tenantId: string | null): UserWithPassword => ({
  ...toUser(row),
  passwordHash: row.password_hash,
  passwordSetAt: row.password_set_at,
  signedOutAt: row.signed_out_at,
  isHome: row.tenant_id === tenantId,
  secondFactors: row.second_factors,
  secondFactorAskedAt: row.second_factor_asked_at,
  isSecondFactorRequired: row.is_second_factor_required,
});

const MATCHES = {
  email: 'lower(u.email) = ?',
  phone: 'u.phone = ?',
  username: 'lower(u.username) = ?',
} as const;

/**
 * Users whom an identifier may mean: of one tenant (at home or as members
 * there), or, with `tenantId` null, of every tenant. At most three: more than
 * one is ambiguous already.
 */
export async function findByIdentifier(
  knex: Knex,
  tenantId: string | null,
  identifier: Identifier,
): Promise<UserWithPassword[]> {
  const scope = tenantId
    ? `AND (u.tenant_id = ? OR EXISTS (SELECT 1 FROM tenant_members m WHERE m.user_id = u.id AND m.tenant_id = ?))`
    : '';
  const { rows } = await knex
    .raw(
      `${CANDIDATES} WHERE ${MATCHES[identifier.scheme]} ${scope} LIMIT 3`,
      tenantId ? [identifier.value, tenantId, tenantId] : [identifier.value],
    )
    .options({ name: `candidates-${identifier.scheme}${tenantId ? '-in-tenant' : ''}` });
  return rows.map((row: CandidateRow) => toCandidate(row, tenantId));
}

/** A user of any tenant, by id, with all that a sign-in needs to know. */
export async function findCandidate(
  knex: Knex,
  userId: string,
): Promise<UserWithPassword | undefined> {
  const { rows } = await knex.raw(`${CANDIDATES} WHERE u.id = ?`, [userId]);
  return rows[0] && toCandidate(rows[0], rows[0].tenant_id);
}

/** Kinds of second factors that a user can be asked for. */
export async function listSecondFactors(knex: Knex, userId: string): Promise<string[]> {
  const { rows } = await knex.raw('SELECT second_factors(?) AS kinds', [userId]);
  return rows[0].kinds;
}

/** Notes when a user was first told that a second factor is due; later times change nothing. */
export async function noteSecondFactorAsked(
  knex: Knex,
  user: { id: string; tenantId: string },
  now: Date,
): Promise<void> {
  await knex('users')
    .where({ id: user.id, tenant_id: user.tenantId })
    .whereNull('second_factor_asked_at')
    .update({ second_factor_asked_at: now });
}
