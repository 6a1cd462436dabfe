import { AppError } from '../../kernel/errors.ts';
import type { KnownBrowsers, Proof } from '../sign-in/index.ts';
import type { TenantService } from '../tenant/index.ts';
import type { User, UserService } from '../user/index.ts';
import { type Acr, acrOf, satisfies, strongerOf, TWO_FACTORS, weakestOf } from './acr.ts';
import type { Challenge } from './challenge.ts';
import type { ChallengeStore, OpenChallenge, Pending } from './challenge-store.ts';
import { neededAcr, type Situation, whatIsDue } from './policy.ts';
import type { RecoveryCodesPort } from './ports.ts';

/** Who signs in, as far as second factors go; read with the person, in one statement. */
export interface FactorFacts {
  secondFactors: readonly string[];
  secondFactorAskedAt: Date | null;
  isSecondFactorRequired: boolean;
  passwordSetAt: Date | null;
  signedOutAt: Date | null;
}

export type Candidate = User & FactorFacts;

export interface GateDeps {
  store: Pick<ChallengeStore, 'begin'>;
  clock: { now(): number };
  tenants: Pick<TenantService, 'find'>;
  users: Pick<UserService, 'noteSecondFactorAsked'>;
  browsers: Pick<KnownBrowsers, 'isRemembered'>;
  recoveryCodes: Pick<RecoveryCodesPort, 'status'>;
}

/** An address as somebody who knows it recognises it. */
export const maskEmail = (email: string): string => email.replace(/^(.).*(?=@)/su, '$1•••');
export const maskPhone = (phone: string): string => `${phone.slice(0, 3)}•••${phone.slice(-3)}`;

/** A challenge as it is told; what was proved, and where from, is not. */
export const describeChallenge = (open: OpenChallenge): Challenge => ({
  id: open.id,
  userId: open.userId,
  tenantId: open.tenantId,
  methods: open.methods,
  enroll: open.enroll,
  mayPostpone: open.mayPostpone,
  postponeUntil: open.postponeUntil,
  rememberDays: open.rememberDays,
  sentTo: open.sentTo,
  expiresAt: open.expiresAt,
});

/** The refusal that every way to sign in ends in where more is needed than was proved. */
export const secondFactorRequired = (challenge: Challenge): AppError =>
  new AppError('IDENT_MFA_REQUIRED', {
    extensions: {
      challengeId: challenge.id,
      methods: challenge.methods,
      enroll: challenge.enroll,
      mayPostpone: challenge.mayPostpone,
      postponeUntil:
        challenge.postponeUntil === null ? null : new Date(challenge.postponeUntil).toISOString(),
      sentTo: challenge.sentTo,
      expiresAt: new Date(challenge.expiresAt).toISOString(),
    },
  });

export type Gate = ReturnType<typeof createGate>;

/** Decides whether what was proved is enough to be signed in. */
export function createGate(deps: GateDeps) {
  const { tenants } = deps;

  /** What the request itself needs: what it names, and what a tenant demands of its guests. */
  async function findAsked(user: Candidate, { acrValues, tenantId }: Proof): Promise<Acr> {
    const named = weakestOf(acrValues);
    if (!tenantId || tenantId === user.tenantId) return named;
    const isDemanded = (await tenants.find(tenantId))?.settings.mfaRequired === true;
    return isDemanded ? strongerOf(named, TWO_FACTORS) : named;
  }

  async function open(user: Candidate, proof: Proof, facts: Situation, rememberDays: number) {
    const due = whatIsDue(facts);
    if (due.mayPostpone) await deps.users.noteSecondFactorAsked(user);
    const hasCookies = proof.device !== undefined;
    const pending: Pending = {
      userId: user.id,
      tenantId: user.tenantId,
      wantedTenantId: proof.tenantId ?? null,
      passwordSetAt: user.passwordSetAt?.getTime() ?? null,
      signedOutAt: user.signedOutAt?.getTime() ?? null,
      ...(proof.passwordSetAt ? { provedPasswordSetAt: proof.passwordSetAt } : {}),
      amr: proof.amr,
      clientId: proof.clientId,
      ...(hasCookies ? { device: proof.device ?? null } : {}),
      ...(proof.acrValues ? { acrValues: [...proof.acrValues] } : {}),
      ...(proof.authTime === undefined ? {} : { authTime: proof.authTime }),
      ...due,
      rememberDays: hasCookies && due.methods.length > 0 ? rememberDays : 0,
      sentTo: {
        email: due.methods.includes('email') && user.email ? maskEmail(user.email) : null,
        sms: due.methods.includes('sms') && user.phone ? maskPhone(user.phone) : null,
      },
    };
    return describeChallenge(await deps.store.begin(pending));
  }

  /**
   * The class that the sign-in has reached, where that is enough; costs nothing
   * where one factor is.
   * @throws AppError IDENT_MFA_REQUIRED
   */
  async function assertEnough(user: Candidate, proof: Proof): Promise<Acr> {
    const { amr } = proof;
    const reached = acrOf(amr);
    const factors = user.secondFactors as Situation['factors'];
    const isRequired = user.isSecondFactorRequired;
    const asked = await findAsked(user, proof);
    if (satisfies(reached, neededAcr({ factors, isRequired, asked }))) return reached;
    const settings = (await tenants.find(user.tenantId))?.settings;
    if (!settings) throw new AppError('IDENT_INVALID_CREDENTIALS');
    const { mfaRememberDays } = settings;
    // A request that names more is not content with what another sign-in has shown.
    const mayRemember = mfaRememberDays > 0 && satisfies(reached, asked);
    if (mayRemember && (await deps.browsers.isRemembered(user, proof.device))) return reached;
    const status = factors.length > 0 ? await deps.recoveryCodes.status(user) : null;
    const situation: Situation = {
      ...{ amr, factors, settings, asked, isRequired },
      hasRecoveryCodes: (status?.left ?? 0) > 0,
      isProved: { email: user.emailVerified, phone: user.phoneVerified },
      askedAt: user.secondFactorAskedAt,
      now: deps.clock.now(),
    };
    throw secondFactorRequired(await open(user, proof, situation, mfaRememberDays));
  }

  return { assertEnough };
}
