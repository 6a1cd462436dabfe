import { AppError } from '../../kernel/errors.ts';
import type { Proof, SignedIn } from '../sign-in/index.ts';
import type { Challenges } from './challenge.ts';
import { assertMethod, type ChallengeDeps, createAnswers, createWaiting } from './challenges.ts';
import { createEnrolling, type EnrollingDeps } from './enrolling.ts';
import type { WebAuthnPort } from './ports.ts';
import { bindingOf, createProving, type ProvingDeps } from './proving.ts';

export type MfaDeps = Omit<ChallengeDeps, 'proving'> &
  EnrollingDeps &
  ProvingDeps & { webauthn: Pick<WebAuthnPort, 'assertionOptions'> };

/** Challenges between password and sign-in, and for sessions that are to show more. */
export function createMfaService(deps: MfaDeps): Challenges {
  const proving = createProving(deps);
  const parts = { ...deps, proving };
  const waiting = createWaiting(parts);

  async function stepUp(session: Proof & { userId: string; authTime: number }): Promise<SignedIn> {
    const { userId, ...proof } = session;
    const found = await deps.users.findCandidate(userId);
    const isOpen = found?.status === 'active' || found?.status === 'pending_verification';
    if (!found || !isOpen) throw new AppError('IDENT_UNAUTHENTICATED');
    if (await deps.locks.isLockedFor(found, proof.device)) throw new AppError('IDENT_LOCKED');
    return deps.admit(found, proof);
  }

  return {
    ...createAnswers(parts, waiting),
    ...createEnrolling(deps, waiting),
    stepUp,
    async assertionOptions(challengeId) {
      const found = await waiting.find(challengeId);
      assertMethod(found.challenge, 'webauthn');
      return deps.webauthn.assertionOptions(found.user, bindingOf(found.challenge));
    },
    async sendCode(challengeId, way, locale) {
      const found = await waiting.find(challengeId);
      assertMethod(found.challenge, way);
      await proving.send(found, way, locale);
    },
  };
}
