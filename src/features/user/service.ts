import type { Knex } from 'knex';
import type { z } from 'zod';
import { AppError, type ErrorCode } from '../../kernel/errors.ts';
import { isUuid, newId } from '../../kernel/ids.ts';
import * as candidates from './candidate-repository.ts';
import type { UserKey } from './change-repository.ts';
import { userEvents } from './events.ts';
import type { Identifier } from './identifier.ts';
import { assertAttributes, type ChangeDeps, createProfileChanges, lockTarget } from './profile.ts';
import * as repository from './repository.ts';
import { type NewUser, newUser, type Profile, wordsOf } from './schema.ts';

/** What the user service needs of the password hasher. */
interface PasswordHasher {
  hash(password: string): Promise<string>;
  isSupported(hash: string): boolean;
}

/** Which passwords may be chosen. */
interface PasswordPolicy {
  check(password: string, whose: { tenantId: string; words: readonly string[] }): Promise<void>;
}

/** A password that another system has hashed; it is made again at the first sign-in. */
export interface ImportedHash {
  hash: string;
}

export interface UserServiceDeps extends ChangeDeps {
  passwords: PasswordHasher;
  passwordPolicy: PasswordPolicy;
}

const DUPLICATES: Record<string, ErrorCode> = {
  users_email: 'IDENT_EMAIL_DUPLICATE',
  users_phone: 'IDENT_PHONE_DUPLICATE',
  users_username: 'IDENT_USERNAME_DUPLICATE',
};

/** A unique violation of Postgres (23505) as the error of the contract. */
export function translateDuplicate(error: unknown): never {
  const { code, constraint } = error as { code?: string; constraint?: string };
  const duplicate = code === '23505' && constraint ? DUPLICATES[constraint] : undefined;
  throw duplicate ? new AppError(duplicate, { cause: error }) : error;
}

/** @throws AppError IDENT_VALIDATION for one by which no password could be verified */
function checkHash(passwords: PasswordHasher, hash: string): void {
  if (passwords.isSupported(hash)) return;
  const message = 'must be a bcrypt, scrypt, PBKDF2, argon2 or phpass hash of bearable cost';
  throw new AppError('IDENT_VALIDATION', { errors: [{ path: 'passwordHash', message }] });
}

/** A new account as it is written: with its first password, if it has one. */
interface Creation {
  fields: z.output<typeof newUser>;
  hash: string | undefined;
  isSelfRegistered: boolean;
}

/** Writes a new user with membership, password and event. */
async function insert(
  { clock, emit }: ChangeDeps,
  trx: Knex.Transaction,
  { fields, hash, isSelfRegistered }: Creation,
): Promise<Profile> {
  const now = new Date(clock.now());
  const { roles, tenantId, emailVerified, status, attributes, ...given } = fields;
  const user: Profile = {
    id: newId(),
    tenantId,
    status,
    email: given.email ?? null,
    emailVerified,
    phone: given.phone ?? null,
    phoneVerified: false,
    username: given.username ?? null,
    name: given.name ?? null,
    givenName: given.givenName ?? null,
    familyName: given.familyName ?? null,
    locale: given.locale ?? null,
    zoneinfo: given.zoneinfo ?? null,
    attributes,
    version: 1,
    createdAt: now,
    updatedAt: now,
    deactivatedAt: null,
  };
  await repository.insertUser(trx, user, { roles, isSelfRegistered });
  if (hash) {
    const password = { userId: user.id, tenantId, hash, changedAt: now };
    await repository.upsertPassword(trx, password);
  }
  const facts = { subject: user.id, tenantId };
  await emit(trx, userEvents.registered, facts, { userId: user.id, status });
  return user;
}

export type UserService = ReturnType<typeof createUserService>;

/** The use cases around user accounts; each write is one transaction with its event. */
export function createUserService(deps: UserServiceDeps) {
  const { knex, clock, emit, passwords, passwordPolicy } = deps;

  /** The hash to keep, once the password is found good. */
  async function hashOf(
    password: string | ImportedHash,
    user: Parameters<typeof wordsOf>[0] & { tenantId: string },
  ): Promise<string> {
    if (typeof password === 'string') {
      await passwordPolicy.check(password, { tenantId: user.tenantId, words: wordsOf(user) });
      return passwords.hash(password);
    }
    checkHash(passwords, password.hash);
    return password.hash;
  }

  return {
    ...createProfileChanges(deps),

    /**
     * Creates a user in its home tenant, with a password, or the hash of one, if given.
     * @throws AppError IDENT_EMAIL_DUPLICATE and its like, IDENT_WEAK_PASSWORD,
     *   IDENT_BREACHED_PASSWORD, IDENT_VALIDATION for attributes that do not fit or a hash that cannot be used
     */
    async create(input: NewUser, password?: string | ImportedHash): Promise<Profile> {
      const fields = newUser.parse(input);
      await assertAttributes(deps, fields.tenantId, fields.attributes, 'administrator');
      const hash = password === undefined ? undefined : await hashOf(password, fields);
      return knex
        .transaction((trx) => insert(deps, trx, { fields, hash, isSelfRegistered: false }))
        .catch(translateDuplicate);
    },

    /**
     * Creates, in the caller's transaction, the account of a person who registers;
     * attributes and password were checked.
     * @throws AppError IDENT_EMAIL_DUPLICATE and its like; the transaction is void then
     */
    register: (trx: Knex.Transaction, input: NewUser, hash: string): Promise<Profile> =>
      insert(deps, trx, { fields: newUser.parse(input), hash, isSelfRegistered: true }).catch(
        translateDuplicate,
      ),

    /**
     * Sets a password on behalf of an administrator.
     * @throws AppError IDENT_NOT_FOUND, IDENT_WEAK_PASSWORD, IDENT_BREACHED_PASSWORD
     */
    async setPassword(tenantId: string, userId: string, password: string): Promise<void> {
      const user = await repository.findUser(knex, tenantId, userId);
      if (!user) throw new AppError('IDENT_NOT_FOUND');
      const hash = await hashOf(password, user);
      await knex.transaction(async (trx) => {
        const changedAt = new Date(clock.now());
        await repository.upsertPassword(trx, { userId, tenantId, hash, changedAt });
        await emit(
          trx,
          userEvents.passwordChanged,
          { subject: userId, tenantId },
          { userId, by: 'administrator' },
        );
      });
    },

    /**
     * Reads, in the caller's transaction, a user who is about to be changed; nobody else
     * changes it until the commit. @throws AppError IDENT_NOT_FOUND
     */
    lock: (trx: Knex.Transaction, target: UserKey): Promise<Profile> => lockTarget(trx, target),

    /**
     * Writes, in the caller's transaction, a password that its user has chosen, with its
     * event; it was checked and hashed.
     * @param replaces when the password was set that it takes the place of, if only of that
     * @returns false when there is another by now: nothing is written then
     */
    async writePassword(
      trx: Knex.Transaction,
      { tenantId, userId }: UserKey,
      hash: string,
      replaces?: Date,
    ): Promise<boolean> {
      const password = { userId, tenantId, hash, changedAt: new Date(clock.now()) };
      if (replaces === undefined) await repository.upsertPassword(trx, password);
      else if (!(await repository.exchangePassword(trx, password, replaces))) return false;
      const facts = { subject: userId, tenantId, actorId: userId };
      await emit(trx, userEvents.passwordChanged, facts, { userId, by: 'user' });
      return true;
    },

    /** The encoded hash of a user's password, and when that was set. */
    findPassword: (
      tenantId: string,
      userId: string,
    ): Promise<{ hash: string; changedAt: Date } | undefined> =>
      repository.findPassword(knex, tenantId, userId),

    /** Makes a user of any tenant a member of another, with these roles there. */
    async addToTenant(tenantId: string, userId: string, roles: string[]): Promise<void> {
      await knex.transaction(async (trx) => {
        const createdAt = new Date(clock.now());
        await repository.upsertMember(trx, { tenantId, userId, roles, createdAt });
        await emit(
          trx,
          userEvents.profileUpdated,
          { subject: userId, tenantId },
          { userId, changed: ['memberships'] },
        );
      });
    },

    /**
     * Keeps a hash that was made again with present parameters, unless the password was changed
     * meanwhile; no event, nothing changed for anyone.
     */
    replaceHash: (
      user: { id: string; tenantId: string; passwordHash: string | null },
      hash: string,
    ): Promise<void> => repository.replaceHash(knex, user, hash),

    find: (tenantId: string, userId: string) => repository.findUser(knex, tenantId, userId),
    list: (tenantId: string, page: { limit: number; after?: string | undefined }) =>
      repository.listUsers(knex, tenantId, page),
    /** @param within the caller's transaction, which must not wait for a second connection */
    findByIdentifier: (tenantId: string | null, identifier: Identifier, within: Knex = knex) =>
      candidates.findByIdentifier(within, tenantId, identifier),
    /** For a sign-in that goes on: a user of any tenant, with password and second factors. */
    findCandidate: async (userId: string) =>
      isUuid(userId) ? candidates.findCandidate(knex, userId) : undefined,
    listSecondFactors: (userId: string): Promise<string[]> =>
      candidates.listSecondFactors(knex, userId),
    /** Begins the grace period of a user who is told that a second factor is due. */
    noteSecondFactorAsked: (user: { id: string; tenantId: string }): Promise<void> =>
      candidates.noteSecondFactorAsked(knex, user, new Date(clock.now())),
    /** For the token engine: any tenant, with memberships. */
    findAccount: async (userId: string) =>
      isUuid(userId) ? repository.findAccount(knex, userId) : undefined,
    listMemberships: (userId: string) => repository.listMemberships(knex, userId),
    /** Kinds of second factors that a user can be asked for. */
    findSecondFactors: (userId: string) => repository.findSecondFactors(knex, userId),
    findRoles: (tenantId: string, userId: string) => repository.findRoles(knex, tenantId, userId),
  };
}
