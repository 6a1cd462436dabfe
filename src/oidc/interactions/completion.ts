import type { Context } from 'koa';
import type { SignedIn } from '../../features/sign-in/index.ts';
import type { Sealer } from '../../infra/sealing.ts';
import { AppError } from '../../kernel/errors.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import type { BrowserSessions } from '../browser-sessions.ts';
import type { Step } from '../step.ts';
import type { DueFactor, Journeys } from './journeys.ts';
import { pathOf, type Steps, seeOther } from './steps.ts';

export interface CompletionDeps {
  browserSessions: BrowserSessions;
  journeys: Journeys;
  deviceCookies: DeviceCookies;
  sealer: Sealer;
}

/** A sign-in that went through; recovery codes where it set up the first factor. */
type Proved = SignedIn & { recoveryCodes?: string[] };

/** Ends a sign-in: the one way in which any step says who somebody is. */
export type Complete = ReturnType<typeof createCompletion>;

/** What recovery codes are sealed as: those of one sign-in open in no other. */
export const codesSealedAs = (uid: string): string => `recovery-codes:${uid}`;

/** The challenge that a refusal names; undefined for any other error. */
function challengeIn(error: unknown): string | undefined {
  if (!(error instanceof AppError) || error.code !== 'IDENT_MFA_REQUIRED') return undefined;
  const { challengeId } = error.options.extensions ?? {};
  return typeof challengeId === 'string' ? challengeId : undefined;
}

export function createCompletion(deps: CompletionDeps, steps: Steps) {
  /**
   * The session that is to go on. That of the account, where this browser has
   * one; a new one beside the others, where that was asked for. Else the one in
   * use stays, and the engine ends it if it is somebody else's.
   */
  async function settleSession(ctx: Context, step: Step, accountId: string): Promise<void> {
    const { interaction } = step;
    const all = await deps.browserSessions.list(ctx);
    const own = all.find(({ account }) => account.accountId === accountId);
    if (own) return deps.browserSessions.switchTo(ctx, interaction, own.session);
    const { isAnother } = await deps.journeys.find(interaction.uid);
    if (isAnother && all.length > 0) await deps.browserSessions.switchTo(ctx, interaction);
  }

  /** Tells the engine, and goes on with it; recovery codes are shown first. */
  async function settle(ctx: Context, step: Step, proved: Proved): Promise<void> {
    const { user, amr, acr, authTime, passwordSetAt, recoveryCodes = [] } = proved;
    const { uid } = step.interaction;
    deps.deviceCookies.write(ctx, proved);
    await settleSession(ctx, step, user.id);
    const returnTo = await steps.settle(ctx, {
      login: { accountId: user.id, amr, acr, ts: authTime, remember: true, passwordSetAt },
      // Whoever signs in has chosen the account.
      select_account: {},
    });
    await deps.journeys.end(uid);
    if (recoveryCodes.length === 0) return seeOther(ctx, returnTo);
    const codes = deps.sealer.seal(JSON.stringify(recoveryCodes), codesSealedAs(uid));
    await deps.journeys.note(uid, { codes: codes.toString('base64url') });
    seeOther(ctx, pathOf(step, 'recovery-codes'));
  }

  /**
   * Every step hands its proof over here: where more is due, the step for it
   * follows, whichever way the person came, and nothing has happened yet.
   * @param prove calls the feature; a second factor that is due is its refusal
   * @param refuse shows the step again, with what else went wrong
   * @param facts what the step for a second factor is told
   */
  return async function complete(
    ctx: Context,
    step: Step,
    prove: () => Promise<Proved>,
    refuse: (error: unknown) => Promise<void>,
    facts: Pick<DueFactor, 'isStepUp'> = {},
  ): Promise<void> {
    let proved: Proved;
    try {
      proved = await prove();
    } catch (error) {
      const challengeId = challengeIn(error);
      if (challengeId === undefined) return refuse(error);
      const factor: DueFactor = { ...facts, challengeId };
      await deps.journeys.note(step.interaction.uid, { factor });
      return seeOther(ctx, pathOf(step, 'second-factor'));
    }
    await settle(ctx, step, proved);
  };
}
