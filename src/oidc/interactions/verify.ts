import type { Context } from 'koa';
import type { VerificationService } from '../../features/verification/index.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { type StepFailure, toStepFailure } from '../../web/step-failures.ts';
import type { Step } from '../step.ts';
import { NO_CODE } from './code.ts';
import type { Asked, Journeys } from './journeys.ts';
import { backToStep, isSignIn, pathOf, type Steps, seeOther } from './steps.ts';

export interface VerifyStepDeps {
  verification: Pick<VerificationService, 'request' | 'byCode'>;
  journeys: Journeys;
  pages: PageRenderer;
}

/** Minutes that a code is good for, by the way it goes. */
const MINUTES = { email: 15, sms: 10 } as const;

/** The step in which a person proves the address or number that they signed up with. */
export function createVerifyStep(deps: VerifyStepDeps, steps: Steps) {
  const render = (ctx: Context, step: Step, asked: Asked, failure?: StepFailure): Promise<void> =>
    deps.pages.render(
      ctx,
      'code',
      {
        purpose: asked.way === 'email' ? 'verify-email' : 'verify-phone',
        action: pathOf(step, 'verify'),
        resendAction: pathOf(step, 'verify/resend'),
        openedUrl: asked.way === 'email' ? pathOf(step, 'sign-in') : null,
        backUrl: asked.way === 'email' ? null : pathOf(step, 'sign-in'),
        csrfToken: step.csrfToken,
        sentTo: asked.identifier,
        minutes: MINUTES[asked.way],
        isResent: asked.isResent === true,
        error: failure?.error ?? null,
      },
      { ...step.page, status: failure?.status ?? 200 },
    );

  const claimOf = (step: Step, { identifier, organisation }: Asked) => ({
    identifier,
    organisation: organisation || null,
    tenantId: step.page.tenantId ?? null,
  });

  const schemeOf = ({ way }: Asked) => (way === 'email' ? 'email' : 'phone');

  async function findAsked(ctx: Context, step: Step): Promise<Asked | undefined> {
    const { verify } = await deps.journeys.find(step.interaction.uid);
    if (isSignIn(step) && verify) return verify;
    backToStep(ctx);
    return undefined;
  }

  return {
    async show(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      const asked = await findAsked(ctx, step);
      if (asked) await render(ctx, step, asked);
    },

    async resend(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      const asked = await findAsked(ctx, step);
      if (!asked) return;
      const { isResent: _, ...before } = asked;
      const locale = await deps.pages.localeOf(ctx, step.page);
      try {
        await deps.verification.request(schemeOf(asked), claimOf(step, asked), locale);
      } catch (error) {
        return render(ctx, step, before, toStepFailure(ctx, error));
      }
      await deps.journeys.note(step.interaction.uid, { verify: { ...asked, isResent: true } });
      seeOther(ctx, pathOf(step, 'verify'));
    },

    /** Proves the address; then the person signs in to the account that is open now. */
    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      const asked = await findAsked(ctx, step);
      if (!asked) return;
      const { isResent: _, ...shown } = asked;
      const code = form.get('code')?.replace(/\s/g, '') ?? '';
      if (code === '') return render(ctx, step, shown, NO_CODE);
      try {
        await deps.verification.byCode(schemeOf(asked), claimOf(step, asked), code);
      } catch (error) {
        return render(ctx, step, shown, toStepFailure(ctx, error));
      }
      const { identifier } = asked;
      await deps.journeys.note(step.interaction.uid, {
        verify: undefined,
        notice: { about: 'verified', identifier },
      });
      seeOther(ctx, pathOf(step, 'sign-in'));
    },
  };
}
