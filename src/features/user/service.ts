import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError, type ErrorCode } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { isUuid, newId } from '../../kernel/ids.ts';
import { userEvents } from './events.ts';
import type { Identifier } from './identifier.ts';
import * as repository from './repository.ts';
import { type NewUser, newUser, type User } from './schema.ts';

/** What the user service needs of the password hasher. */
interface PasswordHasher {
  hash(password: string): Promise<string>;
  isSupported(hash: string): boolean;
}

/** A password that another system has hashed; it is made again at the first sign-in. */
export interface ImportedHash {
  hash: string;
}

export interface UserServiceDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  passwords: PasswordHasher;
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

/** Shortest and longest password (NIST SP 800-63B-4 3.1.1.2), in code points. */
const PASSWORD_LENGTH = { min: 8, max: 256 };

/** @throws AppError IDENT_WEAK_PASSWORD when the length is out of bounds */
function checkPassword(password: string): void {
  const length = [...password].length;
  if (length < PASSWORD_LENGTH.min || length > PASSWORD_LENGTH.max) {
    throw new AppError('IDENT_WEAK_PASSWORD', {
      detail: `Use ${PASSWORD_LENGTH.min} to ${PASSWORD_LENGTH.max} characters.`,
      errors: [
        { path: 'password', message: `must have ${PASSWORD_LENGTH.min} or more characters` },
      ],
    });
  }
}

/** @throws AppError IDENT_VALIDATION for one by which no password could be verified */
function checkHash(passwords: PasswordHasher, hash: string): void {
  if (passwords.isSupported(hash)) return;
  const message = 'must be a bcrypt, scrypt, PBKDF2, argon2 or phpass hash of bearable cost';
  throw new AppError('IDENT_VALIDATION', { errors: [{ path: 'passwordHash', message }] });
}

export type UserService = ReturnType<typeof createUserService>;

/** The use cases around user accounts; each write is one transaction with its event. */
export function createUserService({ knex, clock, emit, passwords }: UserServiceDeps) {
  /** The hash to keep, once the password is found good. */
  async function hashOf(password: string | ImportedHash): Promise<string> {
    if (typeof password === 'string') {
      checkPassword(password);
      return passwords.hash(password);
    }
    checkHash(passwords, password.hash);
    return password.hash;
  }

  return {
    /**
     * Creates a user in its home tenant, with a password, or the hash of one, if given.
     * @throws AppError IDENT_EMAIL_DUPLICATE and its like, IDENT_WEAK_PASSWORD,
     *   IDENT_VALIDATION for a hash that cannot be used
     */
    async create(input: NewUser, password?: string | ImportedHash): Promise<User> {
      const { roles, emailVerified, ...fields } = newUser.parse(input);
      const hash = password === undefined ? undefined : await hashOf(password);
      const now = new Date(clock.now());
      const user: User = {
        id: newId(),
        tenantId: fields.tenantId,
        status: fields.status,
        email: fields.email ?? null,
        emailVerified,
        phone: fields.phone ?? null,
        phoneVerified: false,
        username: fields.username ?? null,
        name: fields.name ?? null,
        givenName: fields.givenName ?? null,
        familyName: fields.familyName ?? null,
        locale: fields.locale ?? null,
        zoneinfo: fields.zoneinfo ?? null,
        createdAt: now,
        updatedAt: now,
      };
      await knex
        .transaction(async (trx) => {
          await repository.insertUser(trx, user, roles);
          if (hash) {
            await repository.upsertPassword(trx, {
              userId: user.id,
              tenantId: user.tenantId,
              hash,
              changedAt: now,
            });
          }
          await emit(
            trx,
            userEvents.registered,
            { subject: user.id, tenantId: user.tenantId },
            { userId: user.id, status: user.status },
          );
        })
        .catch(translateDuplicate);
      return user;
    },

    /**
     * Sets a password on behalf of an administrator.
     * @throws AppError IDENT_NOT_FOUND, IDENT_WEAK_PASSWORD
     */
    async setPassword(tenantId: string, userId: string, password: string): Promise<void> {
      checkPassword(password);
      const user = await repository.findUser(knex, tenantId, userId);
      if (!user) throw new AppError('IDENT_NOT_FOUND');
      const hash = await passwords.hash(password);
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
    findByIdentifier: (tenantId: string | null, identifier: Identifier) =>
      repository.findByIdentifier(knex, tenantId, identifier),
    /** For the token engine: any tenant, with memberships. */
    findAccount: async (userId: string) =>
      isUuid(userId) ? repository.findAccount(knex, userId) : undefined,
    findRoles: (tenantId: string, userId: string) => repository.findRoles(knex, tenantId, userId),
  };
}
