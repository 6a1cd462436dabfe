import type { Context } from 'koa';
import type { Challenges } from '../../features/mfa/index.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import { isStepUp } from '../acr.ts';
import type { BrowserSessions } from '../browser-sessions.ts';
import type { Step } from '../step.ts';
import type { Complete } from './completion.ts';
import type { Journeys } from './journeys.ts';
import { pathOf, seeOther } from './steps.ts';

export interface StepUpDeps {
  mfa: Pick<Challenges, 'stepUp'>;
  browserSessions: Pick<BrowserSessions, 'list'>;
  deviceCookies: DeviceCookies;
  journeys: Journeys;
}

/** Where only the class of the session lacks, what it has shown is not asked for again. */
export function createStepUp(deps: StepUpDeps, complete: Complete) {
  /** The session in use, if it is the one that the interaction began with. */
  async function findSession(ctx: Context, { interaction }: Step) {
    const found = (await deps.browserSessions.list(ctx)).find(({ isCurrent }) => isCurrent);
    return found?.session.uid === interaction.session?.uid ? found : undefined;
  }

  /**
   * Leads to what a session is still to show.
   * @returns false where the whole sign-in is due: nothing is answered then
   */
  return async function stepUp(ctx: Context, step: Step): Promise<boolean> {
    const found = isStepUp(step.interaction) && (await findSession(ctx, step));
    if (!found) return false;
    const { factor, isAnother } = await deps.journeys.find(step.interaction.uid);
    if (isAnother) return false;
    if (factor?.isStepUp) {
      seeOther(ctx, pathOf(step, 'second-factor'));
      return true;
    }
    const { session, account } = found;
    const { amr = [] } = session as { amr?: string[] };
    let isRefused = false;
    await complete(
      ctx,
      step,
      () =>
        deps.mfa.stepUp({
          userId: account.accountId,
          amr,
          authTime: session.loginTs ?? 0,
          clientId: step.client.clientId,
          device: deps.deviceCookies.read(ctx),
          tenantId: step.tenantId,
          acrValues: step.acrValues,
        }),
      async () => {
        isRefused = true;
      },
      { isStepUp: true },
    );
    return !isRefused;
  };
}
