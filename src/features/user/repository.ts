import type { Knex } from 'knex';
import type { Attributes, Profile, User, UserStatus } from './schema.ts';

export interface UserRow {
  id: string;
  tenant_id: string;
  status: UserStatus;
  email: string | null;
  email_verified_at: Date | null;
  phone: string | null;
  phone_verified_at: Date | null;
  username: string | null;
  name: string | null;
  given_name: string | null;
  family_name: string | null;
  locale: string | null;
  zoneinfo: string | null;
  attributes: Attributes;
  version: number;
  created_at: Date;
  updated_at: Date;
  deactivated_at: Date | null;
  second_factor_asked_at: Date | null;
}

export const toUser = (row: UserRow): User => ({
  id: row.id,
  tenantId: row.tenant_id,
  status: row.status,
  email: row.email,
  emailVerified: row.email_verified_at !== null,
  phone: row.phone,
  phoneVerified: row.phone_verified_at !== null,
  username: row.username,
  name: row.name,
  givenName: row.given_name,
  familyName: row.family_name,
  locale: row.locale,
  zoneinfo: row.zoneinfo,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export const toProfile = (row: UserRow): Profile => ({
  ...toUser(row),
  attributes: row.attributes,
  version: row.version,
  deactivatedAt: row.deactivated_at,
});

export async function findUser(
  knex: Knex,
  tenantId: string,
  userId: string,
): Promise<Profile | undefined> {
  const row = await knex<UserRow>('users').where({ id: userId, tenant_id: tenantId }).first();
  return row && toProfile(row);
}

export async function listUsers(
  knex: Knex,
  tenantId: string,
  page: { limit: number; after?: string | undefined },
): Promise<User[]> {
  const rows = await knex<UserRow>('users')
    .where({ tenant_id: tenantId })
    .modify((query) => {
      if (page.after) query.where('id', '>', page.after);
    })
    .orderBy('id')
    .limit(page.limit);
  return rows.map(toUser);
}

/** A user of any tenant with every tenant it belongs to. */
export async function findAccount(
  knex: Knex,
  userId: string,
): Promise<{ user: Profile; tenantIds: string[] } | undefined> {
  const { rows } = await knex
    .raw(
      `SELECT u.*, ARRAY(SELECT m.tenant_id FROM tenant_members m WHERE m.user_id = u.id ORDER BY 1) AS tenant_ids
         FROM users u WHERE u.id = ?`,
      [userId],
    )
    .options({ name: 'user-account' });
  return rows[0] && { user: toProfile(rows[0]), tenantIds: rows[0].tenant_ids };
}

/** Kinds of second factors that a user can be asked for; none where there is no such user. */
export async function findSecondFactors(knex: Knex, userId: string): Promise<string[]> {
  const { rows } = await knex.raw('SELECT second_factors(?) AS kinds', [userId]);
  return rows[0]?.kinds ?? [];
}

export async function insertUser(
  trx: Knex.Transaction,
  user: User & { attributes: Attributes },
  options: { roles: string[]; isSelfRegistered: boolean },
): Promise<void> {
  await trx('users').insert({
    id: user.id,
    tenant_id: user.tenantId,
    status: user.status,
    email: user.email,
    email_verified_at: user.emailVerified ? user.createdAt : null,
    phone: user.phone,
    username: user.username,
    name: user.name,
    given_name: user.givenName,
    family_name: user.familyName,
    locale: user.locale,
    zoneinfo: user.zoneinfo,
    attributes: JSON.stringify(user.attributes),
    self_registered: options.isSelfRegistered,
    created_at: user.createdAt,
    updated_at: user.updatedAt,
  });
  await trx('tenant_members').insert({
    tenant_id: user.tenantId,
    user_id: user.id,
    roles: options.roles,
    created_at: user.createdAt,
  });
}

export async function findRoles(knex: Knex, tenantId: string, userId: string): Promise<string[]> {
  const row = await knex('tenant_members')
    .where({ tenant_id: tenantId, user_id: userId })
    .first('roles');
  return row?.roles ?? [];
}

/** The tenants that a user belongs to, the first one first. */
export async function listMemberships(
  knex: Knex,
  userId: string,
): Promise<{ tenantId: string; tenant: string; roles: string[]; since: Date }[]> {
  return knex('tenant_members')
    .join('tenants', 'tenants.id', 'tenant_members.tenant_id')
    .where({ user_id: userId })
    .orderBy(['tenant_members.created_at', 'tenants.id'])
    .select({
      tenantId: 'tenants.id',
      tenant: 'tenants.name',
      roles: 'tenant_members.roles',
      since: 'tenant_members.created_at',
    });
}

/** Makes a user a member of a tenant, or changes the roles of a member. */
export async function upsertMember(
  trx: Knex,
  member: { tenantId: string; userId: string; roles: string[]; createdAt: Date },
): Promise<void> {
  await trx('tenant_members')
    .insert({
      tenant_id: member.tenantId,
      user_id: member.userId,
      roles: member.roles,
      created_at: member.createdAt,
    })
    .onConflict(['user_id', 'tenant_id'])
    .merge(['roles']);
}

export async function upsertPassword(
  trx: Knex,
  password: { userId: string; tenantId: string; hash: string; changedAt: Date },
): Promise<void> {
  await trx('user_passwords')
    .insert({
      user_id: password.userId,
      tenant_id: password.tenantId,
      hash: password.hash,
      changed_at: password.changedAt,
    })
    .onConflict('user_id')
    .merge(['hash', 'changed_at']);
}

export async function findPassword(
  knex: Knex,
  tenantId: string,
  userId: string,
): Promise<{ hash: string; changedAt: Date } | undefined> {
  const row = await knex('user_passwords')
    .where({ user_id: userId, tenant_id: tenantId })
    .first<{ hash: string; changed_at: Date }>('hash', 'changed_at');
  return row && { hash: row.hash, changedAt: row.changed_at };
}

/**
 * Replaces a password, only while it is the one of then; its hash may have been made
 * again. @returns whether it did
 */
export async function exchangePassword(
  trx: Knex.Transaction,
  password: { userId: string; tenantId: string; hash: string; changedAt: Date },
  setAt: Date,
): Promise<boolean> {
  const count = await trx('user_passwords')
    .where({ user_id: password.userId, tenant_id: password.tenantId, changed_at: setAt })
    .update({ hash: password.hash, changed_at: password.changedAt });
  return count === 1;
}

/** Replaces a hash by another of the same password: only while it still stands there. */
export async function replaceHash(
  knex: Knex,
  user: { id: string; tenantId: string; passwordHash: string | null },
  hash: string,
): Promise<void> {
  await knex('user_passwords')
    .where({ user_id: user.id, tenant_id: user.tenantId, hash: user.passwordHash })
    .update({ hash });
}
