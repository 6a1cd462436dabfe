import type { Context } from 'koa';
import type { PasswordPolicy, PasswordService } from '../../features/password/index.ts';
import { parseIdentifier } from '../../features/user/index.ts';
import type { FormError, PageModels } from '../../pages/index.ts';
import type { Onward } from '../../web/onward.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import {
  isPause,
  type StepFailure,
  toPasswordError,
  toStepFailure,
} from '../../web/step-failures.ts';
import type { Step } from '../step.ts';
import type { Asked, Journeys } from './journeys.ts';
import type { createOffers } from './offers.ts';
import { backToStep, isSignIn, pathOf, type Steps, seeOther, text } from './steps.ts';

export interface ForgotStepDeps {
  password: Pick<PasswordService, 'forgot' | 'reset' | 'verifyCode'>;
  passwordPolicy: Pick<PasswordPolicy, 'strength'>;
  journeys: Journeys;
  onward: Onward;
  pages: PageRenderer;
}

type Recovered = Omit<Asked, 'way'>;
type Reset = PageModels['reset'];
type Shown = Partial<Pick<Reset, 'code' | 'fieldErrors' | 'isResent' | 'strength' | 'token'>> & {
  failure?: StepFailure;
};

/** The steps in which a person who has forgotten the password chooses a new one. */
export function createForgotStep(
  deps: ForgotStepDeps,
  steps: Steps,
  offersOf: ReturnType<typeof createOffers>,
) {
  async function admit(ctx: Context, step: Step): Promise<boolean> {
    if (isSignIn(step) && (await offersOf(step)).forgot) return true;
    backToStep(ctx);
    return false;
  }

  const renderIdentify = (
    ctx: Context,
    step: Step,
    shown: Recovered & { fieldError?: FormError; failure?: StepFailure },
  ): Promise<void> =>
    deps.pages.render(
      ctx,
      'identify',
      {
        purpose: 'forgot-password',
        action: pathOf(step, 'forgot'),
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

  async function renderReset(
    ctx: Context,
    step: Step,
    recovered: Recovered,
    shown: Shown = {},
  ): Promise<void> {
    const { failure, fieldErrors = {}, token = null, strength = null } = shown;
    const isWrong = Object.keys(fieldErrors).length > 0;
    await deps.pages.render(
      ctx,
      'reset',
      {
        action: pathOf(step, 'reset'),
        resendAction: token === null ? pathOf(step, 'reset/resend') : null,
        backUrl: pathOf(step, 'sign-in'),
        csrfToken: step.csrfToken,
        sentTo: token === null ? recovered.identifier : null,
        token,
        code: shown.code ?? '',
        minLength: (await offersOf(step)).minLength,
        isResent: shown.isResent === true,
        strength,
        error: failure?.error ?? null,
        fieldErrors,
      },
      { ...step.page, status: failure?.status ?? (isWrong ? 400 : 200) },
    );
  }

  const claimOf = (step: Step, { identifier, organisation }: Recovered) => ({
    identifier,
    organisation: organisation || null,
    tenantId: step.tenantId,
  });

  /** Has a code sent and goes on to where it is typed; one sent a moment ago will do. */
  async function send(ctx: Context, step: Step, recovered: Recovered): Promise<void> {
    const locale = await deps.pages.localeOf(ctx, step.page);
    try {
      await deps.password.forgot(claimOf(step, recovered), locale);
    } catch (error) {
      if (!isPause(error)) throw error;
      const { isResent: _, ...before } = recovered;
      await deps.journeys.note(step.interaction.uid, { reset: before });
      return renderReset(ctx, step, before, { failure: toStepFailure(ctx, error) });
    }
    deps.onward.note(ctx, step.interaction.uid);
    await deps.journeys.note(step.interaction.uid, { reset: recovered });
    seeOther(ctx, pathOf(step, 'reset'));
  }

  async function findRecovered(ctx: Context, step: Step): Promise<Recovered | undefined> {
    const { reset } = await deps.journeys.find(step.interaction.uid);
    if (isSignIn(step) && reset) return reset;
    backToStep(ctx);
    return undefined;
  }

  /** The page again, with what was wrong. */
  async function showFailure(
    ctx: Context,
    step: Step,
    recovered: Recovered,
    given: { code: string; token: string | null; password?: string; error: unknown },
  ): Promise<void> {
    const { code, token, error } = given;
    const { minLength } = await offersOf(step);
    const password = toPasswordError(error, minLength);
    const strength = given.password
      ? await deps.passwordPolicy.strength(given.password, [recovered.identifier])
      : null;
    if (password) {
      const fieldErrors = { password };
      return renderReset(ctx, step, recovered, { code, token, strength, fieldErrors });
    }
    const failure = toStepFailure(ctx, error);
    // A token that is spent leads nowhere: a new code does.
    if (failure.error.id !== 'code.error.wrong') {
      return renderReset(ctx, step, recovered, { code, token, strength, failure });
    }
    return renderReset(ctx, step, recovered, { fieldErrors: { code: failure.error } });
  }

  /** The first half: a code that is right is stood for by a token, with which a password is chosen. */
  async function useCode(
    ctx: Context,
    step: Step,
    recovered: Recovered,
    typed: string,
  ): Promise<void> {
    const code = typed.replace(/\s/g, '');
    if (code === '') {
      const fieldErrors = { code: { id: 'code.error.required' } };
      return renderReset(ctx, step, recovered, { fieldErrors });
    }
    let token: string;
    try {
      token = await deps.password.verifyCode(claimOf(step, recovered), code);
    } catch (error) {
      return showFailure(ctx, step, recovered, { code, token: null, error });
    }
    await renderReset(ctx, step, recovered, { token });
  }

  return {
    async showIdentify(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      if (!(await admit(ctx, step))) return;
      const identifier = text(step.interaction.params.login_hint);
      await renderIdentify(ctx, step, { identifier, organisation: '' });
    },

    async identify(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      if (!(await admit(ctx, step))) return;
      const identifier = form.get('identifier')?.trim() ?? '';
      const typed = { identifier, organisation: form.get('organisation')?.trim() ?? '' };
      if (!parseIdentifier(identifier)) {
        const fieldError = { id: 'sign-in.field.identifier-required' };
        return renderIdentify(ctx, step, { ...typed, fieldError });
      }
      try {
        await send(ctx, step, typed);
      } catch (error) {
        await renderIdentify(ctx, step, { ...typed, failure: toStepFailure(ctx, error) });
      }
    },

    async show(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      const recovered = await findRecovered(ctx, step);
      if (!recovered) return;
      await renderReset(ctx, step, recovered, { isResent: recovered.isResent === true });
    },

    async resend(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      const recovered = await findRecovered(ctx, step);
      if (!recovered) return;
      try {
        await send(ctx, step, { ...recovered, isResent: true });
      } catch (error) {
        await renderReset(ctx, step, recovered, { failure: toStepFailure(ctx, error) });
      }
    },

    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      const recovered = await findRecovered(ctx, step);
      if (!recovered) return;
      const token = form.get('token') ?? null;
      if (token === null) return useCode(ctx, step, recovered, form.get('code') ?? '');
      const password = form.get('password') ?? '';
      if (password === '') {
        const fieldErrors = { password: { id: 'password.error.required' } };
        return renderReset(ctx, step, recovered, { token, fieldErrors });
      }
      try {
        await deps.password.reset(token, password);
      } catch (error) {
        return showFailure(ctx, step, recovered, { code: '', token, password, error });
      }
      await deps.journeys.note(step.interaction.uid, { reset: undefined });
      await deps.pages.render(
        ctx,
        'account-end',
        {
          state: 'password-reset',
          onward: { href: pathOf(step), labelId: 'account-end.onward.sign-in' },
        },
        step.page,
      );
    },
  };
}
