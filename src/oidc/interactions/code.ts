import type { Context } from 'koa';
import type { CodeProof, CodeRequest, SignedIn } from '../../features/sign-in/index.ts';
import { parseIdentifier } from '../../features/user/index.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import type { FormError } from '../../pages/index.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { isPause, type StepFailure, toStepFailure } from '../../web/step-failures.ts';
import type { Step } from '../step.ts';
import type { Complete } from './completion.ts';
import type { Asked, Journeys } from './journeys.ts';
import type { createOffers } from './offers.ts';
import { backToStep, isSignIn, pathOf, type Steps, seeOther, text } from './steps.ts';

export interface CodeStepDeps {
  signIn: {
    requestCode(request: CodeRequest): Promise<void>;
    withCode(proof: CodeProof): Promise<SignedIn>;
  };
  journeys: Journeys;
  deviceCookies: DeviceCookies;
  pages: PageRenderer;
}

type Way = 'email' | 'sms';

/** Minutes that a code is good for at least, by the way it goes. */
const MINUTES: Record<Way, number> = { email: 10, sms: 5 };

/** The steps in which a person is sent a code and signs in by it. */
export function createCodeStep(
  deps: CodeStepDeps,
  steps: Steps,
  complete: Complete,
  offersOf: ReturnType<typeof createOffers>,
) {
  /** The step, where signing in this way is due and offered; else answers. */
  async function admit(ctx: Context, step: Step, way: Way): Promise<boolean> {
    const offers = await offersOf(step);
    if (isSignIn(step) && (way === 'email' ? offers.emailCode : offers.smsCode)) return true;
    backToStep(ctx);
    return false;
  }

  const renderIdentify = (
    ctx: Context,
    step: Step,
    way: Way,
    shown: {
      identifier: string;
      organisation: string;
      fieldError?: FormError;
      failure?: StepFailure;
    },
  ): Promise<void> =>
    deps.pages.render(
      ctx,
      'identify',
      {
        purpose: way === 'email' ? 'email-code' : 'sms-code',
        action: pathOf(step, `code/${way}`),
        backUrl: pathOf(step, 'sign-in'),
        csrfToken: step.csrfToken,
        identifier: shown.identifier,
        organisation: shown.organisation,
        showOrganisation: step.tenantId === null,
        error: shown.failure?.error ?? null,
        fieldError: shown.fieldError ?? null,
      },
      { ...step.page, status: shown.failure?.status ?? (shown.fieldError ? 400 : 200) },
    );

  const renderCode = (
    ctx: Context,
    step: Step,
    asked: Asked,
    failure?: StepFailure,
  ): Promise<void> =>
    deps.pages.render(
      ctx,
      'code',
      {
        purpose: asked.way === 'sms' ? 'sms-code' : 'email-code',
        action: pathOf(step, 'code/enter'),
        resendAction: pathOf(step, 'code/resend'),
        openedUrl: null,
        backUrl: pathOf(step, 'sign-in'),
        csrfToken: step.csrfToken,
        sentTo: asked.identifier,
        minutes: MINUTES[asked.way],
        isResent: asked.isResent === true,
        error: failure?.error ?? null,
      },
      { ...step.page, status: failure?.status ?? 200 },
    );

  const claimOf = (ctx: Context, step: Step, asked: Asked) => ({
    identifier: asked.identifier,
    organisation: asked.organisation || null,
    tenantId: step.tenantId,
    device: deps.deviceCookies.read(ctx),
  });

  /** Has a code sent and goes on to where it is typed; one sent a moment ago will do. */
  async function send(ctx: Context, step: Step, asked: Asked): Promise<void> {
    const locale = await deps.pages.localeOf(ctx, step.page);
    try {
      await deps.signIn.requestCode({ ...claimOf(ctx, step, asked), locale });
    } catch (error) {
      if (!isPause(error)) throw error;
      const { isResent: _, ...before } = asked;
      await deps.journeys.note(step.interaction.uid, { code: before });
      return renderCode(ctx, step, before, toStepFailure(ctx, error));
    }
    await deps.journeys.note(step.interaction.uid, { code: asked });
    seeOther(ctx, pathOf(step, 'code/enter'));
  }

  /** What was asked for in this interaction; else answers with the step before. */
  async function findAsked(ctx: Context, step: Step): Promise<Asked | undefined> {
    const { code } = await deps.journeys.find(step.interaction.uid);
    if (isSignIn(step) && code) return code;
    backToStep(ctx);
    return undefined;
  }

  return {
    showIdentify:
      (way: Way) =>
      async (ctx: Context): Promise<void> => {
        const step = await steps.load(ctx);
        if (!(await admit(ctx, step, way))) return;
        const hint = parseIdentifier(text(step.interaction.params.login_hint));
        const fits = hint?.scheme === (way === 'email' ? 'email' : 'phone');
        await renderIdentify(ctx, step, way, {
          identifier: fits ? hint.value : '',
          organisation: '',
        });
      },

    identify:
      (way: Way) =>
      async (ctx: Context): Promise<void> => {
        const { step, form } = await steps.submission(ctx);
        if (!(await admit(ctx, step, way))) return;
        const identifier = form.get('identifier')?.trim() ?? '';
        const organisation = form.get('organisation')?.trim() ?? '';
        const typed = { identifier, organisation };
        const scheme = way === 'email' ? 'email' : 'phone';
        if (parseIdentifier(identifier)?.scheme !== scheme) {
          const fieldError = { id: `sign-up.field.${scheme}` };
          return renderIdentify(ctx, step, way, { ...typed, fieldError });
        }
        try {
          await send(ctx, step, { way, ...typed });
        } catch (error) {
          await renderIdentify(ctx, step, way, { ...typed, failure: toStepFailure(ctx, error) });
        }
      },

    async show(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      const asked = await findAsked(ctx, step);
      if (asked) await renderCode(ctx, step, asked);
    },

    async resend(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      const asked = await findAsked(ctx, step);
      if (!asked) return;
      try {
        await send(ctx, step, { ...asked, isResent: true });
      } catch (error) {
        await renderCode(ctx, step, asked, toStepFailure(ctx, error));
      }
    },

    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      const asked = await findAsked(ctx, step);
      if (!asked) return;
      const { isResent: _, ...shown } = asked;
      const code = form.get('code')?.replace(/\s/g, '') ?? '';
      if (code === '') return renderCode(ctx, step, shown, NO_CODE);
      await complete(
        ctx,
        step,
        () =>
          deps.signIn.withCode({
            ...claimOf(ctx, step, asked),
            code,
            clientId: step.client.clientId,
            acrValues: step.acrValues,
            clientIp: currentRequest()?.clientIp ?? null,
          }),
        (error) => renderCode(ctx, step, shown, toStepFailure(ctx, error)),
      );
    },
  };
}

/** An empty field where a code belongs. */
export const NO_CODE: StepFailure = { status: 400, error: { id: 'code.error.required' } };
