import type { Knex } from 'knex';
import { AppError } from '../../kernel/errors.ts';
import type { Messenger } from '../messaging/index.ts';
import type { OneTimeLinks } from '../one-time-link/index.ts';
import type { EndReason, SessionService } from '../session/index.ts';
import type { SignInService } from '../sign-in/index.ts';
import { type User, type UserService, wordsOf } from '../user/index.ts';
import type { PasswordPolicy } from './policy.ts';
import {
  createRecovery,
  isOpen,
  isStillTheirs,
  RESET_PASSWORD,
  type RecoveryClaim,
  type RecoveryDeps,
} from './recovery.ts';

export interface PasswordServiceDeps extends RecoveryDeps {
  knex: Knex;
  passwords: { hash(password: string): Promise<string> };
  passwordPolicy: Pick<PasswordPolicy, 'check'>;
  users: Pick<UserService, 'findAccount' | 'findPassword' | 'lock' | 'writePassword'>;
  signIn: Pick<SignInService, 'findCandidate' | 'confirm' | 'isLocked' | 'unlock'>;
  sessions: Pick<SessionService, 'endAllWithin' | 'restoreRevocations'>;
  links: OneTimeLinks;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  /** Told of work after a commit that failed; what must not be left undone is done again later. */
  onBackgroundError(error: unknown): void;
}

/** Who changes a password, and where from. */
export interface ChangeRequest {
  userId: string;
  /** The session that stays; all others end. */
  sessionId: string | null;
  clientId: string | null;
  clientIp: string | null;
  /** The device cookie, for callers that have cookies. */
  device?: string | null | undefined;
  currentPassword: string;
  newPassword: string;
}

/** How a new password comes to be written. */
interface Writing {
  user: User;
  hash: string;
  /** Whose word it is that the password may be changed: within the transaction. */
  prove(trx: Knex.Transaction, user: User): Promise<void>;
  /** Written only in place of the one that was set then, if given. */
  replaces?: Date;
  /** Links that end with it: of this purpose, or all. */
  endsLinks: { purpose?: string };
  sessions: { reason: EndReason; except?: string };
}

const spent = (): AppError => new AppError('IDENT_TOKEN_SPENT');

export type PasswordService = ReturnType<typeof createPasswordService>;

/** Passwords that people have forgotten, or want to change. */
export function createPasswordService(deps: PasswordServiceDeps) {
  const { knex, users, links, sessions, signIn, passwordPolicy } = deps;
  const recovery = createRecovery(deps);

  /** One transaction: the password, its event, the end of links and sessions. */
  async function write({ user, hash, replaces, ...how }: Writing): Promise<void> {
    const target = { tenantId: user.tenantId, userId: user.id };
    const complete = await knex.transaction(async (trx) => {
      const present = await users.lock(trx, target);
      await how.prove(trx, present);
      if (!(await users.writePassword(trx, target, hash, replaces))) {
        throw new AppError('IDENT_INVALID_CREDENTIALS');
      }
      await links.endAllOf(trx, { userId: user.id, ...how.endsLinks });
      return sessions.endAllWithin(trx, user.id, how.sessions);
    });
    // What a process that dies here leaves undone, the consumer of the event does.
    await complete().catch(deps.onBackgroundError);
  }

  /** Opens an account that failed tries have closed: its owner has proved to be there. */
  async function lift({ id, tenantId }: User): Promise<void> {
    if (await signIn.isLocked(id)) await signIn.unlock(tenantId, id);
  }

  /** The user that a link may give a new password. @throws AppError IDENT_TOKEN_SPENT */
  async function findByLink(token: string): Promise<{ user: User; address: unknown }> {
    const { userId, tenantId, data } = await links.peek(RESET_PASSWORD, token);
    const user = (await users.findAccount(userId))?.user;
    if (!user || user.tenantId !== tenantId || !isOpen(user)) throw spent();
    if (!isStillTheirs(deps, user, data.address)) throw spent();
    return { user, address: data.address };
  }

  /**
   * Sets a new password by the token of a link; a password that is refused does
   * not use it up. All sessions end; none begins, and a second factor stays what
   * it was (ASVS 6.4.3).
   * @throws AppError IDENT_TOKEN_SPENT, IDENT_WEAK_PASSWORD, IDENT_BREACHED_PASSWORD,
   *   IDENT_HASH_BUSY
   */
  async function reset(token: string, password: string): Promise<void> {
    const { user, address } = await findByLink(token);
    await passwordPolicy.check(password, { tenantId: user.tenantId, words: wordsOf(user) });
    const hash = await deps.passwords.hash(password);
    await write({
      ...{ user, hash },
      async prove(trx, present) {
        if (!isOpen(present) || !isStillTheirs(deps, present, address)) throw spent();
        await links.consume(trx, RESET_PASSWORD, token);
      },
      // Also those that would change an address: whoever was in the account may have asked for them.
      endsLinks: {},
      sessions: { reason: 'password_reset' },
    });
    await lift(user).catch(deps.onBackgroundError);
  }

  return {
    forgot: recovery.forgot,
    verifyCode: recovery.useCode,
    reset,

    /**
     * Sets a new password by the code that was sent. A password that nobody may have
     * is refused before the code is looked at; one that this person may not have
     * after, and then the error's `resetToken` stands for the code that is used up.
     * @throws as `reset`, and AppError IDENT_LOCKED, IDENT_VALIDATION, IDENT_UNAVAILABLE
     */
    async resetByCode(claim: RecoveryClaim, code: string, password: string): Promise<void> {
      const words = [claim.identifier];
      await passwordPolicy.check(password, { tenantId: claim.tenantId ?? null, words });
      const token = await recovery.useCode(claim, code);
      await reset(token, password).catch((error: unknown) => {
        if (!(error instanceof AppError) || error.code === 'IDENT_TOKEN_SPENT') throw error;
        const extensions = { ...error.options.extensions, resetToken: token };
        throw new AppError(error.code, { ...error.options, extensions, cause: error });
      });
    },

    /**
     * Changes the password of somebody who is signed in and knows the present one
     * (ASVS 6.2.3). All other sessions end.
     * @throws AppError IDENT_INVALID_CREDENTIALS, which counts as a failed sign-in,
     *   IDENT_LOCKED, IDENT_RATE_LIMITED, IDENT_WEAK_PASSWORD, IDENT_BREACHED_PASSWORD,
     *   IDENT_HASH_BUSY, IDENT_UNAUTHENTICATED
     */
    async change(request: ChangeRequest): Promise<void> {
      const user = (await users.findAccount(request.userId))?.user;
      if (!user || !isOpen(user)) throw new AppError('IDENT_UNAUTHENTICATED');
      const present = await users.findPassword(user.tenantId, user.id);
      await signIn.confirm(
        { ...user, passwordHash: present?.hash ?? null },
        { ...request, password: request.currentPassword },
      );
      const words = wordsOf(user);
      const { newPassword, sessionId } = request;
      await passwordPolicy.check(newPassword, {
        ...{ tenantId: user.tenantId, words },
        path: 'newPassword',
      });
      await write({
        user,
        hash: await deps.passwords.hash(newPassword),
        async prove(_trx, locked) {
          if (!isOpen(locked)) throw new AppError('IDENT_UNAUTHENTICATED');
        },
        // Of two changes at once, each by the present password, one is made.
        ...(present ? { replaces: present.changedAt } : {}),
        endsLinks: { purpose: RESET_PASSWORD },
        sessions: {
          reason: 'password_changed',
          ...(sessionId === null ? {} : { except: sessionId }),
        },
      });
    },

    /** What follows from a change, again: for a process that died after the commit. */
    completeChange: async (userId: string): Promise<void> => {
      await sessions.restoreRevocations(userId);
    },
  };
}
