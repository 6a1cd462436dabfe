import { AppError } from '../../kernel/errors.ts';
import type { TenantService } from '../tenant/index.ts';
import { parseIdentifier, type UserService } from '../user/index.ts';
import { type AdmissionDeps, createAdmission, proofBy, type SignedIn } from './admission.ts';
import type { Attempt, TakenAttempt } from './attempts.ts';
import type { KnownBrowsers } from './browsers.ts';
import { type Candidate, type Claim, createFindCandidate } from './candidates.ts';
import type { FailureReason } from './events.ts';
import { accountKey, createLockCheck, createUnlocking, type UnlockingDeps } from './lockout.ts';
import { createTries, type TryDeps } from './tries.ts';

/** What sign-in needs of the password hasher. */
interface PasswordVerifier {
  verify(password: string, hash: string | null): Promise<boolean>;
  needsRehash(hash: string): boolean;
  hash(password: string): Promise<string>;
}

export interface SignInDeps extends TryDeps, AdmissionDeps {
  passwords: PasswordVerifier;
  browsers: KnownBrowsers;
  unlockCodes: UnlockingDeps['unlockCodes'];
  users: Pick<UserService, 'findAccount' | 'findByIdentifier' | 'replaceHash'>;
  tenants: Pick<TenantService, 'find' | 'findByName' | 'findByEmailDomain'>;
  /** Told of work that failed after the person was let in. */
  onBackgroundError(error: unknown): void;
}

export interface PasswordSignIn extends Claim {
  /** E-mail address, phone number or username, as typed. */
  identifier: string;
  password: string;
  clientId: string | null;
  clientIp: string | null;
  /** The device cookie as it came, null without one; undefined from callers without cookies. */
  device?: string | null | undefined;
  /** Authentication context classes that the request needs, any of them. */
  acrValues?: readonly string[] | undefined;
}

/** Longest password that is looked at, in characters; one more is simply wrong. */
const LONGEST_PASSWORD = 1_024;

export type SignInService = ReturnType<typeof createSignInService>;

/** Sign-in with a password; whatever is wrong, the answer and its time are the same. */
export function createSignInService(deps: SignInDeps) {
  const findCandidate = createFindCandidate(deps);
  const { admit } = createAdmission(deps);
  const tries = createTries(deps);

  async function refuse(
    request: Pick<PasswordSignIn, 'clientId'>,
    candidate: Pick<Candidate, 'id' | 'tenantId'> | undefined,
    reason: FailureReason,
    lockedUntil: Date | null,
  ): Promise<never> {
    await tries.fail({ candidate, clientId: request.clientId, reason, lockedUntil });
    throw new AppError('IDENT_INVALID_CREDENTIALS', { log: { reason } });
  }

  /** Does for a closed account what is done for a wrong password, whatever was typed. */
  async function refuseClosed(
    { clientId }: Pick<PasswordSignIn, 'clientId'>,
    candidate: Pick<Candidate, 'id' | 'tenantId'> | undefined,
  ): Promise<void> {
    await deps.passwords.verify('', null);
    await tries.failClosed({ candidate, clientId });
  }

  async function verify(
    request: Pick<PasswordSignIn, 'password'>,
    candidate: Pick<Candidate, 'passwordHash'> | undefined,
    attempt: TakenAttempt,
  ): Promise<boolean> {
    const isTooLong = request.password.length > LONGEST_PASSWORD;
    try {
      const matches = await deps.passwords.verify(
        isTooLong ? '' : request.password,
        candidate?.passwordHash ?? null,
      );
      return matches && !isTooLong;
    } catch (error) {
      // The password was not looked at, so the attempt does not count.
      await attempt.giveBack();
      if (error instanceof AppError) deps.onResult('busy', { userId: null, tenantId: null });
      throw error;
    }
  }

  /** Hashes again with today's parameters, after the answer; a failure costs nobody the sign-in. */
  function rehash(candidate: Candidate, password: string): void {
    if (!candidate.passwordHash || !deps.passwords.needsRehash(candidate.passwordHash)) return;
    deps.passwords
      .hash(password)
      .then((hash) => deps.users.replaceHash(candidate, hash))
      .catch(deps.onBackgroundError);
  }

  return {
    findCandidate,
    admit,

    ...createLockCheck(deps),
    ...createUnlocking(deps),

    /**
     * Asks somebody who is signed in for the password once more. Failed tries count
     * like those to sign in, so that a session that was taken over is no way to guess.
     * @throws AppError IDENT_INVALID_CREDENTIALS, IDENT_RATE_LIMITED, IDENT_LOCKED,
     *   IDENT_HASH_BUSY
     */
    async confirm(
      user: Pick<Candidate, 'id' | 'tenantId' | 'passwordHash'>,
      request: Pick<PasswordSignIn, 'password' | 'clientId' | 'clientIp' | 'device'>,
    ): Promise<void> {
      const { clientIp } = request;
      const device = await deps.browsers.recognise(user, request.device);
      const attempt: Attempt = { clientIp, account: accountKey(user.id), device };
      const facts = { userId: user.id, tenantId: user.tenantId };
      const taken = await tries.take(attempt, facts, () => refuseClosed(request, user));
      if (!(await verify(request, user, taken))) {
        const reason = user.passwordHash === null ? 'no_password' : 'wrong_password';
        return refuse(request, user, reason, taken.lockedUntil);
      }
      await taken.giveBack();
    },

    /**
     * Checks an identifier and password.
     * @throws AppError IDENT_INVALID_CREDENTIALS, IDENT_RATE_LIMITED,
     *   IDENT_LOCKED, IDENT_HASH_BUSY, IDENT_MFA_REQUIRED
     */
    async withPassword(request: PasswordSignIn): Promise<SignedIn> {
      const identifier = parseIdentifier(request.identifier);
      const found = await findCandidate(request, identifier);
      const candidate = found === 'ambiguous' ? undefined : found;
      const attempt: Attempt = {
        clientIp: request.clientIp,
        account: candidate ? accountKey(candidate.id) : `name:${identifier?.value ?? ''}`,
        device: await deps.browsers.recognise(candidate ?? null, request.device),
      };
      const facts = { userId: candidate?.id ?? null, tenantId: candidate?.tenantId ?? null };
      const taken = await tries.take(attempt, facts, () => refuseClosed(request, candidate));
      const matches = await verify(request, candidate, taken);
      const reason = reasonToRefuse(found, matches) ?? (await reasonToWait(deps, candidate));
      if (!candidate || reason) {
        return refuse(request, candidate, reason ?? 'unknown_user', taken.lockedUntil);
      }
      rehash(candidate, request.password);
      const [signedIn] = await Promise.all([
        admit(candidate, {
          ...proofBy(['pwd'], request),
          passwordSetAt: candidate.passwordSetAt?.toISOString(),
        }),
        taken.giveBack(),
      ]);
      deps.onResult('success', facts);
      return signedIn;
    },
  };
}

/**
 * Who has registered and not proved the address yet is refused like a wrong password:
 * anything else would tell that the registration made an account (ASVS 6.3.8).
 */
export async function reasonToWait(
  { tenants }: { tenants: Pick<TenantService, 'find'> },
  candidate: Candidate | undefined,
): Promise<FailureReason | undefined> {
  if (candidate?.status !== 'pending_verification') return undefined;
  const tenant = await tenants.find(candidate.tenantId);
  return tenant?.settings.requireVerifiedEmail ? 'not_active' : undefined;
}

function reasonToRefuse(
  found: Candidate | 'ambiguous' | undefined,
  matches: boolean,
): FailureReason | undefined {
  if (found === undefined) return 'unknown_user';
  if (found === 'ambiguous') return 'ambiguous';
  if (!found.passwordHash) return 'no_password';
  if (!matches) return 'wrong_password';
  return found.status === 'suspended' || found.status === 'deactivated' ? 'not_active' : undefined;
}
