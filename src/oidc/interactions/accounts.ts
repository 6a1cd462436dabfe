import type { Context } from 'koa';
import { describeUser } from '../../features/user/index.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import type { BrowserSession, BrowserSessions } from '../browser-sessions.ts';
import { clientName } from '../sign-in-page.ts';
import type { Step } from '../step.ts';
import type { Journeys } from './journeys.ts';
import { backToStep, isSignIn, pathOf, type Steps, seeOther } from './steps.ts';

export interface AccountsDeps {
  browserSessions: BrowserSessions;
  journeys: Journeys;
  pages: PageRenderer;
}

/** The step in which a person chooses among the accounts that this browser is signed in to. */
export function createAccountsStep(deps: AccountsDeps, steps: Steps) {
  /** Those whose accounts may act where the application is. */
  async function list(ctx: Context, step: Step): Promise<BrowserSession[]> {
    const all = await deps.browserSessions.list(ctx);
    const { tenantId } = step;
    if (tenantId === null) return all;
    return all.filter(
      ({ account }) => tenantId !== undefined && account.tenantIds.includes(tenantId),
    );
  }

  async function render(ctx: Context, step: Step, found: BrowserSession[]): Promise<void> {
    await deps.pages.render(
      ctx,
      'accounts',
      {
        action: pathOf(step, 'accounts'),
        forgetAction: pathOf(step, 'accounts/forget'),
        anotherAction: pathOf(step, 'accounts/another'),
        cancelAction: pathOf(step, 'abort'),
        csrfToken: step.csrfToken,
        clientName: clientName(step.client.metadata),
        accounts: found.map(({ session, account, isCurrent }) => ({
          handle: session.uid,
          account: describeUser(account.user),
          isCurrent,
        })),
      },
      step.page,
    );
  }

  /** The session that a form names, if it is one of this browser. */
  const find = async (ctx: Context, step: Step, handle: string | undefined) =>
    (await list(ctx, step)).find(({ session }) => session.uid === handle);

  const toList = (ctx: Context, step: Step): void => seeOther(ctx, pathOf(step, 'accounts'));

  return {
    list,
    render,

    async show(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      const found = await list(ctx, step);
      if (found.length === 0) return seeOther(ctx, pathOf(step, 'sign-in'));
      await render(ctx, step, found);
    },

    /** Goes on with the session that was chosen; whether it is enough, the engine decides. */
    async choose(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      const chosen = await find(ctx, step, form.get('account'));
      if (!chosen) return toList(ctx, step);
      await deps.browserSessions.switchTo(ctx, step.interaction, chosen.session);
      await deps.journeys.end(step.interaction.uid);
      // What was proved before in this request was proved for another session.
      await steps.finish(ctx, { select_account: {} }, { isFresh: true });
    },

    async forget(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      const left = await find(ctx, step, form.get('account'));
      if (left) {
        await deps.journeys.note(step.interaction.uid, { factor: undefined });
        await deps.browserSessions.leave(ctx, step.interaction, left);
      }
      toList(ctx, step);
    },

    async another(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      await deps.journeys.note(step.interaction.uid, { isAnother: true });
      seeOther(ctx, pathOf(step, 'sign-in'));
    },
  };
}
