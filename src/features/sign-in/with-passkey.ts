import { AppError } from '../../kernel/errors.ts';
import type { WebAuthnPort, WebAuthnProof } from '../mfa/index.ts';
import type { TenantService } from '../tenant/index.ts';
import type { UserService } from '../user/index.ts';
import { type AdmissionDeps, createAdmission, proofBy, type SignedIn } from './admission.ts';
import type { KnownBrowsers } from './browsers.ts';
import type { Candidate, Claim } from './candidates.ts';
import type { FailureReason } from './events.ts';
import { accountKey } from './lockout.ts';
import { reasonToWait } from './service.ts';
import { createTries, type TryDeps } from './tries.ts';

export interface PasskeySignInDeps extends TryDeps, AdmissionDeps {
  browsers: KnownBrowsers;
  users: Pick<UserService, 'findCandidate' | 'findAccount'>;
  tenants: Pick<TenantService, 'find' | 'findByName'>;
  webauthn: Pick<WebAuthnPort, 'assert'>;
}

export interface PasskeySignIn extends Claim {
  /** What the browser answered; the passkey names its user. */
  response: unknown;
  /** What the ceremony belongs to: the `binding` that its options were asked for with. */
  binding: string;
  clientId: string | null;
  clientIp: string | null;
  /** The device cookie as it came, null without one; undefined from callers without cookies. */
  device?: string | null | undefined;
  /** Authentication context classes that the request needs, any of them. */
  acrValues?: readonly string[] | undefined;
}

const factsOf = (candidate: Candidate | undefined) => ({
  userId: candidate?.id ?? null,
  tenantId: candidate?.tenantId ?? null,
});

/** Sign-in by a passkey alone, without a name: whatever is wrong, the answer is the same. */
export function createPasskeySignIn(deps: PasskeySignInDeps) {
  const { users, tenants } = deps;
  const { admit } = createAdmission(deps);
  const tries = createTries(deps);

  async function refuse(
    { clientId }: PasskeySignIn,
    candidate: Candidate | undefined,
    reason: FailureReason,
    lockedUntil: Date | null,
  ): Promise<never> {
    await tries.fail({ candidate, clientId, reason, lockedUntil });
    throw new AppError('IDENT_INVALID_CREDENTIALS', { log: { reason } });
  }

  /**
   * Looks at an assertion at the cost of a try of its address; whose account it would
   * be is not known yet, and a wrong one says nothing of anybody's.
   */
  async function assert(request: PasskeySignIn): Promise<WebAuthnProof> {
    const { binding, clientIp, response } = request;
    const attempt = { clientIp, account: `passkey:${binding}`, device: null };
    const taken = await tries.take(attempt, factsOf(undefined));
    let proof: WebAuthnProof | undefined;
    try {
      proof = await deps.webauthn.assert(null, binding, response);
    } catch (error) {
      // It was not looked at, so the attempt does not count.
      await taken.giveBack();
      throw error;
    }
    if (!proof) return refuse(request, undefined, 'wrong_passkey', null);
    await taken.giveBack();
    return proof;
  }

  /** Whether the user is of the tenant that was asked for: at home or as a member there. */
  async function isOf(candidate: Candidate, claim: Claim): Promise<boolean> {
    const named = claim.organisation ? (await tenants.findByName(claim.organisation))?.id : null;
    const wanted = claim.tenantId === null ? named : claim.tenantId;
    if (wanted === null || wanted === candidate.tenantId) return true;
    if (wanted === undefined) return false;
    return (await users.findAccount(candidate.id))?.tenantIds.includes(wanted) ?? false;
  }

  async function reasonAgainst(
    candidate: Candidate | undefined,
    claim: Claim,
  ): Promise<FailureReason | undefined> {
    if (!candidate || !(await isOf(candidate, claim))) return 'unknown_user';
    if (candidate.status === 'active') return undefined;
    if (candidate.status === 'pending_verification') return reasonToWait(deps, candidate);
    return 'not_active';
  }

  return {
    /**
     * Signs in whoever the passkey belongs to. An account that failed tries have closed
     * opens by no passkey either (CVE-2026-9798).
     * @throws AppError IDENT_INVALID_CREDENTIALS, IDENT_RATE_LIMITED, IDENT_LOCKED,
     *   IDENT_UNAVAILABLE, IDENT_MFA_REQUIRED
     */
    async withPasskey(request: PasskeySignIn): Promise<SignedIn> {
      const proof = await assert(request);
      const candidate = await users.findCandidate(proof.userId);
      const attempt = {
        clientIp: request.clientIp,
        account: accountKey(proof.userId),
        device: await deps.browsers.recognise(candidate ?? null, request.device),
      };
      const taken = await tries.take(attempt, factsOf(candidate));
      const reason = await reasonAgainst(candidate, request);
      if (!candidate || reason) {
        return refuse(request, candidate, reason ?? 'unknown_user', taken.lockedUntil);
      }
      // A key that has verified its user is two factors by itself (SP 800-63B-4 3.1.7).
      const [signedIn] = await Promise.all([
        admit(candidate, proofBy([...proof.amr, 'mfa'], request)),
        taken.giveBack(),
      ]);
      deps.onResult('success', factsOf(candidate));
      return signedIn;
    },
  };
}
