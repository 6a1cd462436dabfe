import { AppError } from '../../kernel/errors.ts';
import type { SignedIn } from '../sign-in/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { describeUser } from '../user/index.ts';
import { acrOf, ONE_FACTOR, satisfies, TWO_FACTORS } from './acr.ts';
import type { Challenges, EnrolmentAnswer } from './challenge.ts';
import { type ChallengeStore, challengeGone } from './challenge-store.ts';
import { type createWaiting, proofOf } from './challenges.ts';
import type { RecoveryCodesPort, TotpEnrolment, TotpPort, WebAuthnPort } from './ports.ts';
import { bindingOf, type Waiting } from './proving.ts';
import type { AuthenticatorType } from './schema.ts';

export interface EnrollingDeps {
  store: Pick<ChallengeStore, 'end' | 'noteEnrolling' | 'exclusively'>;
  tenants: Pick<TenantService, 'find'>;
  totp: Pick<TotpPort, 'enroll' | 'pending' | 'confirm'>;
  recoveryCodes: Pick<RecoveryCodesPort, 'generateFirst'>;
  webauthn: Pick<WebAuthnPort, 'registrationOptions' | 'register'>;
  /** Records a sign-in of which it is settled that it is one. */
  enter(user: Waiting['user'], proof: ReturnType<typeof proofOf>, acr: string): Promise<SignedIn>;
}

/** What an app is called that was set up within a sign-in; its owner can rename it. */
const APP_NAME = 'Authenticator app';

/** How the account is called in an app, and in the list of passkeys. */
const refOf = ({ user }: Waiting) => {
  const { name, identifier } = describeUser(user);
  return { id: user.id, tenantId: user.tenantId, label: identifier, displayName: name };
};

/** Setting up an authenticator within a sign-in, or putting that off. */
export function createEnrolling(deps: EnrollingDeps, waiting: ReturnType<typeof createWaiting>) {
  const { store } = deps;

  /** @throws AppError IDENT_VALIDATION where this cannot be set up in it, IDENT_TOKEN_SPENT */
  async function findOpen(challengeId: string, type: AuthenticatorType): Promise<Waiting> {
    const found = await waiting.find(challengeId);
    if (found.challenge.enroll.includes(type)) return found;
    const errors = [{ path: 'type', message: 'cannot be set up in this challenge' }];
    throw new AppError('IDENT_VALIDATION', { errors });
  }

  /**
   * The challenge, where this may be set up in it. Who has got a factor since shows that
   * one: else a password alone would add another beside it.
   * @throws AppError IDENT_VALIDATION, IDENT_TOKEN_SPENT
   */
  async function find(challengeId: string, type: AuthenticatorType): Promise<Waiting> {
    const found = await findOpen(challengeId, type);
    await assertFirst(found);
    return found;
  }

  async function assertFirst({ challenge, user }: Waiting): Promise<void> {
    if (user.secondFactors.length === 0 || satisfies(acrOf(challenge.amr), TWO_FACTORS)) return;
    await store.end(challenge);
    throw challengeGone();
  }

  const issuerNameOf = async ({ user }: Waiting): Promise<string> =>
    (await deps.tenants.find(user.tenantId))?.name ?? '';

  async function enrollTotp(challengeId: string): Promise<TotpEnrolment> {
    const found = await find(challengeId, 'totp');
    const ref = refOf(found);
    const issuerName = await issuerNameOf(found);
    const { enrolling } = found.challenge;
    const begun = enrolling && (await deps.totp.pending(ref, enrolling, { issuerName }));
    if (begun) return begun;
    const made = await deps.totp.enroll(ref, { name: APP_NAME, issuerName });
    await store.noteEnrolling(found.challenge, made.id);
    return made;
  }

  /** Confirms the new authenticator. @returns the methods that this has shown (RFC 8176) */
  async function confirm(found: Waiting, answer: EnrolmentAnswer): Promise<string[]> {
    const ref = refOf(found);
    if (answer.type === 'totp') {
      if (answer.id !== found.challenge.enrolling) throw challengeGone();
      await deps.totp.confirm(ref, answer.id, answer.code);
      return ['otp'];
    }
    const { response, name = '' } = answer;
    const binding = bindingOf(found.challenge);
    const made = await deps.webauthn.register(ref, binding, { name, response });
    return ['webauthn', made.isSyncedType ? 'swk' : 'hwk', 'user'];
  }

  async function enroll(
    challengeId: string,
    answer: EnrolmentAnswer,
  ): Promise<{ signedIn: SignedIn; recoveryCodes: string[] }> {
    // What the person has is looked at in turn: a second tab must not end what the first is ending.
    const found = await findOpen(challengeId, answer.type);
    return store.exclusively(found.challenge, async () => {
      const present = await find(challengeId, answer.type);
      const shown = await confirm(present, answer);
      const signedIn = await waiting.finish(present, shown, { isShownOnce: true });
      return { signedIn, recoveryCodes: await deps.recoveryCodes.generateFirst(signedIn.user) };
    });
  }

  const challenges: Pick<Challenges, 'enrollTotp' | 'registrationOptions' | 'enroll' | 'postpone'> =
    {
      enrollTotp,
      enroll,
      async registrationOptions(challengeId) {
        const found = await find(challengeId, 'webauthn');
        return deps.webauthn.registrationOptions(refOf(found), bindingOf(found.challenge));
      },
      async postpone(challengeId) {
        const found = await waiting.find(challengeId);
        if (!found.challenge.mayPostpone) throw new AppError('IDENT_INVALID_TRANSITION');
        await assertFirst(found);
        if (!(await store.end(found.challenge))) throw challengeGone();
        return deps.enter(found.user, proofOf(found.challenge), ONE_FACTOR);
      },
    };
  return challenges;
}
