import type { Context } from 'koa';
import type { Challenge, Challenges } from '../../features/mfa/index.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Form } from '../../web/forms.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { type StepFailure, toStepFailure } from '../../web/step-failures.ts';
import type { Step } from '../step.ts';
import type { DueFactor, Journeys } from './journeys.ts';
import { backToStep, isSignIn, pathOf, type Steps, seeOther } from './steps.ts';

export interface DueFactorDeps {
  mfa: Pick<Challenges, 'find'>;
  journeys: Journeys;
  pages: PageRenderer;
}

/** A step of the second factor, with the challenge that it answers. */
export interface FactorStep {
  step: Step;
  challenge: Challenge;
  factor: DueFactor;
}

/** What names a challenge on a page without opening it. */
const tagOf = ({ id }: Challenge): string => sha256(id).toString('base64url').slice(0, 22);

const isError = (error: unknown, code: AppError['code']): error is AppError =>
  error instanceof AppError && error.code === code;

/** Tries that a wrong answer has left; null where they are not counted. */
const triesLeft = (error: AppError): number | null => {
  const { triesLeft: left } = error.options.extensions ?? {};
  return typeof left === 'number' ? left : null;
};

export type DueFactors = ReturnType<typeof createDueFactors>;

/**
 * What the steps between password and sign-in have in common: none of them is
 * there without a challenge, and each leads to the one that is due.
 */
export function createDueFactors(deps: DueFactorDeps, steps: Steps) {
  /** Where a challenge has ended: the sign-in begins anew, within the same interaction. */
  async function end(
    ctx: Context,
    step: Step,
    state: 'factor-failed' | 'factor-expired',
  ): Promise<void> {
    await deps.journeys.note(step.interaction.uid, { factor: undefined });
    await deps.pages.render(
      ctx,
      'account-end',
      { state, onward: { href: pathOf(step), labelId: 'account-end.onward.restart' } },
      { ...step.page, status: state === 'factor-failed' ? 401 : 422 },
    );
  }

  /** The challenge, if it is open. */
  async function findOpen(challengeId: string): Promise<Challenge | undefined> {
    try {
      return await deps.mfa.find(challengeId);
    } catch (error) {
      if (isError(error, 'IDENT_TOKEN_SPENT')) return undefined;
      throw error;
    }
  }

  /** What is due; else answers with the step that is, or with the end of the challenge. */
  async function find(ctx: Context, step: Step): Promise<FactorStep | undefined> {
    const { factor } = await deps.journeys.find(step.interaction.uid);
    if (!isSignIn(step) || !factor) {
      backToStep(ctx);
      return undefined;
    }
    // What a session has shown ends with it: whoever signed out shows all of it again.
    const isOver = factor.isStepUp === true && !step.interaction.session?.uid;
    const challenge = isOver ? undefined : await findOpen(factor.challengeId);
    if (challenge) return { step, challenge, factor };
    await end(ctx, step, 'factor-expired');
    return undefined;
  }

  return {
    findOpen,

    /** What every model of these pages has. */
    formOf: ({ step, challenge }: FactorStep) => ({
      csrfToken: step.csrfToken,
      challenge: tagOf(challenge),
      leaveAction: pathOf(step, 'second-factor/leave'),
      cancelAction: pathOf(step, 'abort'),
    }),

    async load(ctx: Context): Promise<FactorStep | undefined> {
      return find(ctx, await steps.load(ctx));
    },

    /**
     * The challenge with the form that answers it. A form that was made for another
     * one, as in a second tab, is not counted as an answer to this.
     */
    async submission(ctx: Context): Promise<(FactorStep & { form: Form }) | undefined> {
      const { step, form } = await steps.submission(ctx);
      const found = await find(ctx, step);
      if (!found) return undefined;
      if (form.get('challenge') === tagOf(found.challenge)) return { ...found, form };
      seeOther(ctx, pathOf(step, 'second-factor'));
      return undefined;
    },

    /**
     * Shows what a wrong answer leads to: the page again, or the end of the challenge.
     * @param words what to say while tries are left; the first where they are told
     * @throws the error itself when it is none that a person can act on here
     */
    async refuse(
      ctx: Context,
      { step, challenge }: FactorStep,
      error: unknown,
      words: { wrong: string; gone: string },
      render: (failure: StepFailure) => Promise<void>,
    ): Promise<void> {
      if (isError(error, 'IDENT_MFA_FAILED')) {
        const tries = triesLeft(error);
        if (tries === 0) return end(ctx, step, 'factor-failed');
        const values = tries === null ? {} : { tries };
        return render({ status: error.status, error: { id: words.wrong, values } });
      }
      if (isError(error, 'IDENT_TOKEN_SPENT')) {
        if (!(await findOpen(challenge.id))) return end(ctx, step, 'factor-expired');
        // What is gone is what the page was made with; the page again has another.
        return render({ status: error.status, error: { id: words.gone } });
      }
      if (isError(error, 'IDENT_VALIDATION')) {
        return render({ status: error.status, error: { id: words.gone } });
      }
      return render(toStepFailure(ctx, error));
    },
  };
}
