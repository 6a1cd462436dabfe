import type { Knex } from 'knex';
import type { z } from 'zod';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import type { PasswordPolicy } from '../password/index.ts';
import type { TenantService } from '../tenant/index.ts';
import {
  checkAttributes,
  type UserLifecycle,
  type UserService,
  userEvents,
  wordsOf,
} from '../user/index.ts';
import { type Registration, registration } from './schema.ts';

export interface SignUpDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  tenants: Pick<TenantService, 'find'>;
  users: Pick<UserService, 'register' | 'findByIdentifier'>;
  lifecycle: Pick<UserLifecycle, 'eraseUnproven'>;
  passwordPolicy: Pick<PasswordPolicy, 'check'>;
  passwords: { hash(password: string): Promise<string> };
  /** Takes one registration from the budget of an address. @throws AppError IDENT_RATE_LIMITED */
  takeTurn(clientIp: string | null): Promise<void>;
  /** Told what came of each, for metrics. */
  onResult(result: 'success' | 'taken' | 'failure'): void;
}

/** The same for a free and a taken address or number. */
export interface SignUpResult {
  status: 'pending_verification' | 'active';
}

export type SignUpService = ReturnType<typeof createSignUpService>;

/**
 * Milliseconds that an unproved account keeps its address to itself. After that who
 * registers with it takes its place: nobody can reserve an address of another.
 */
const RESERVED = 3_600_000;

type Fields = z.output<typeof registration>;
type Claimed = { scheme: 'email' | 'phone'; value: string };

/** What is to be proved; a username is nobody's but its first user's. */
function claimOf({ email, phone }: Fields): Claimed | undefined {
  if (email !== undefined) return { scheme: 'email', value: email };
  return phone === undefined ? undefined : { scheme: 'phone', value: phone };
}

const isTaken = (error: unknown): boolean =>
  error instanceof AppError &&
  (error.code === 'IDENT_EMAIL_DUPLICATE' || error.code === 'IDENT_PHONE_DUPLICATE');

/** Accounts that people make for themselves. */
export function createSignUpService(deps: SignUpDeps) {
  const { knex, clock, emit, users } = deps;

  /** Tells the owner of a taken address, in the place of a new account. */
  async function noteAttempt(
    trx: Knex.Transaction,
    tenantId: string,
    claimed: Claimed,
  ): Promise<void> {
    const value = claimed.value.toLowerCase();
    const found = await users.findByIdentifier(tenantId, { ...claimed, value }, trx);
    const owner = found.find(({ isHome }) => isHome);
    if (!owner) return;
    const facts = { subject: owner.id, tenantId, actorId: null };
    await emit(trx, userEvents.registrationRefused, facts, { userId: owner.id });
  }

  /** @returns what is to be done after the commit, and whether an account was made */
  async function write(trx: Knex.Transaction, fields: Fields, hash: string) {
    const { password: _, ...profile } = fields;
    const claimed = claimOf(fields);
    const before = new Date(clock.now() - RESERVED);
    const complete =
      claimed && (await deps.lifecycle.eraseUnproven(trx, fields.tenantId, claimed, before));
    const status: SignUpResult['status'] = claimed ? 'pending_verification' : 'active';
    try {
      // A savepoint: what is refused must leave the transaction able to go on.
      await trx.transaction((inner) => users.register(inner, { ...profile, status }, hash));
      return { complete, status, isNew: true };
    } catch (error) {
      if (!claimed || !isTaken(error)) throw error;
      await noteAttempt(trx, fields.tenantId, claimed);
      return { complete, status, isNew: false };
    }
  }

  async function checkAllowed(fields: Fields): Promise<void> {
    const tenant = await deps.tenants.find(fields.tenantId);
    if (!tenant?.settings.selfRegistration) {
      throw new AppError('IDENT_FORBIDDEN', { detail: 'Registration is not open here.' });
    }
    checkAttributes(tenant.settings.userAttributes, fields.attributes, 'self');
    const { tenantId } = fields;
    await deps.passwordPolicy.check(fields.password, { tenantId, words: wordsOf(fields) });
  }

  return {
    /**
     * Makes an account, or does as much for an address or number that has one: its
     * owner is told instead (ASVS 6.3.8). An account of an address that nobody proved
     * in an hour gives way. What follows, such as the mail that asks for the proof,
     * follows from the event.
     * @param clientIp whose budget of registrations it is
     * @throws AppError IDENT_FORBIDDEN where the tenant does not let people register,
     *   IDENT_USERNAME_DUPLICATE, IDENT_VALIDATION, IDENT_WEAK_PASSWORD,
     *   IDENT_BREACHED_PASSWORD, IDENT_RATE_LIMITED, IDENT_HASH_BUSY; z.ZodError
     */
    async register(input: Registration, clientIp: string | null): Promise<SignUpResult> {
      const fields = registration.parse(input);
      try {
        await deps.takeTurn(clientIp);
        await checkAllowed(fields);
        const hash = await deps.passwords.hash(fields.password);
        const done = await knex.transaction((trx) => write(trx, fields, hash));
        await done.complete?.();
        deps.onResult(done.isNew ? 'success' : 'taken');
        return { status: done.status };
      } catch (error) {
        deps.onResult('failure');
        throw error;
      }
    },
  };
}
