import type { Context } from 'koa';
import type { SignedIn } from '../../features/sign-in/index.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import type { BrowserSessions } from '../browser-sessions.ts';
import type { Step } from '../step.ts';
import type { Journeys } from './journeys.ts';
import type { Steps } from './steps.ts';

export interface CompletionDeps {
  browserSessions: BrowserSessions;
  journeys: Journeys;
  deviceCookies: DeviceCookies;
}

/** Ends a sign-in: the one way in which any step says who somebody is. */
export type Complete = ReturnType<typeof createCompletion>;

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

  return async function complete(ctx: Context, step: Step, signedIn: SignedIn): Promise<void> {
    const { user, amr, acr, authTime } = signedIn;
    deps.deviceCookies.write(ctx, signedIn);
    await settleSession(ctx, step, user.id);
    await deps.journeys.end(step.interaction.uid);
    await steps.finish(ctx, {
      login: { accountId: user.id, amr, acr, ts: authTime, remember: true },
      // Whoever signs in has chosen the account.
      select_account: {},
    });
  };
}
