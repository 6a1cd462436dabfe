import type { Context } from 'koa';
import type { Sealer } from '../../infra/sealing.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import type { Step } from '../step.ts';
import { codesSealedAs } from './completion.ts';
import type { Journeys } from './journeys.ts';
import { backToStep, pathOf, type Steps, seeOther } from './steps.ts';

export interface RecoveryCodesStepDeps {
  journeys: Journeys;
  pages: PageRenderer;
  sealer: Sealer;
}

/**
 * The step in which a person saves recovery codes. The engine knows already who
 * signed in; the codes wait until they are said to be saved, and are gone then.
 */
export function createRecoveryCodesStep(deps: RecoveryCodesStepDeps, steps: Steps) {
  async function findCodes(ctx: Context, step: Step): Promise<string[] | undefined> {
    const { uid } = step.interaction;
    const { codes } = await deps.journeys.find(uid);
    if (codes !== undefined) {
      const sealed = Buffer.from(codes, 'base64url');
      return JSON.parse(deps.sealer.open(sealed, codesSealedAs(uid)).toString());
    }
    backToStep(ctx);
    return undefined;
  }

  return {
    async show(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      const codes = await findCodes(ctx, step);
      if (!codes) return;
      await deps.pages.render(
        ctx,
        'recovery-codes',
        {
          codes,
          csrfToken: step.csrfToken,
          fileAction: pathOf(step, 'recovery-codes/file'),
          action: pathOf(step, 'recovery-codes'),
        },
        step.page,
      );
    },

    async download(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      const codes = await findCodes(ctx, step);
      if (codes) await deps.pages.sendRecoveryCodes(ctx, codes, step.page);
    },

    async saved(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      if (!(await findCodes(ctx, step))) return;
      await deps.journeys.end(step.interaction.uid);
      seeOther(ctx, step.interaction.returnTo);
    },
  };
}
