import type { Context } from 'koa';
import type {
  Challenge,
  Challenges,
  SecondFactorAnswer,
  SecondFactorMethod,
} from '../../features/mfa/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import type { Form } from '../../web/forms.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { isPause, type StepFailure, toStepFailure } from '../../web/step-failures.ts';
import { clientName } from '../sign-in-page.ts';
import type { Complete } from './completion.ts';
import type { DueFactors, FactorStep } from './due-factor.ts';
import type { DueFactor, Journeys } from './journeys.ts';
import { readAnswer } from './passkey-form.ts';
import { pathOf, type Steps, seeOther } from './steps.ts';

export interface SecondFactorStepDeps {
  mfa: Pick<Challenges, 'verify' | 'assertionOptions' | 'sendCode'>;
  journeys: Journeys;
  pages: PageRenderer;
  clock: Clock;
}

/** The page of each way, below `second-factor/`. */
export const factorPages = {
  webauthn: 'passkey',
  totp: 'app',
  'recovery-code': 'recovery-code',
  sms: 'sms',
  email: 'email',
} as const satisfies Record<SecondFactorMethod, string>;

const isSentWay = (method: SecondFactorMethod): method is 'sms' | 'email' =>
  method === 'sms' || method === 'email';

/** What a form presents; undefined where it is empty. */
function toAnswer(method: SecondFactorMethod, form: Form): SecondFactorAnswer | undefined {
  if (method === 'webauthn') {
    const response = readAnswer(form);
    return response === undefined ? undefined : { method, response };
  }
  const typed = form.get('code')?.trim() ?? '';
  const code = method === 'recovery-code' ? typed : typed.replace(/\s/g, '');
  return code === '' ? undefined : { method, code };
}

/** The words for nothing at all, a wrong answer, and one to a question that is gone. */
function wordsFor(method: SecondFactorMethod) {
  if (method === 'webauthn') {
    const gone = 'second-factor.error.passkey-cancelled';
    return { empty: gone, wrong: 'second-factor.error.passkey', gone };
  }
  const empty = isSentWay(method) ? 'code.error.required' : 'second-factor.error.required';
  return { empty, wrong: 'second-factor.error.wrong', gone: 'code.error.wrong' };
}

/** What is said once only, left out: that a code was sent again. */
const withoutNews = (found: FactorStep): FactorStep => {
  const { sent, ...factor } = found.factor;
  return { ...found, factor: { ...factor, ...(sent ? { sent: { way: sent.way } } : {}) } };
};

/** Minutes that a code is good for: never longer than what it is asked for. */
const minutesOf = ({ expiresAt }: Challenge, { now }: Clock): number =>
  Math.max(1, Math.ceil((expiresAt - now()) / 60_000));

/** The step in which a person presents a second factor, on a page for each way. */
export function createSecondFactorStep(
  deps: SecondFactorStepDeps,
  steps: Steps,
  due: DueFactors,
  complete: Complete,
) {
  const toDue = (ctx: Context, { step }: FactorStep): void =>
    seeOther(ctx, pathOf(step, 'second-factor'));

  async function render(
    ctx: Context,
    found: FactorStep,
    method: SecondFactorMethod,
    failure?: StepFailure,
  ): Promise<void> {
    const { step, challenge, factor } = found;
    const page = (one: SecondFactorMethod) => pathOf(step, `second-factor/${factorPages[one]}`);
    const sent = factor.sent?.way === method ? factor.sent : undefined;
    await deps.pages.render(
      ctx,
      'second-factor',
      {
        ...due.formOf(found),
        method,
        action: page(method),
        askedBy: factor.isStepUp ? clientName(step.client.metadata) : null,
        optionsUrl: method === 'webauthn' ? `${page(method)}/options` : null,
        sendAction: isSentWay(method) ? `${page(method)}/send` : null,
        sentTo: isSentWay(method) ? challenge.sentTo[method] : null,
        isSent: sent !== undefined,
        isResent: sent?.isResent === true,
        minutes: minutesOf(challenge, deps.clock),
        rememberDays: challenge.rememberDays,
        others: challenge.methods
          .filter((one) => one !== method)
          .map((one) => ({ method: one, href: page(one) })),
        error: failure?.error ?? null,
      },
      { ...step.page, status: failure?.status ?? 200 },
    );
  }

  const note = (found: FactorStep, factor: DueFactor): Promise<void> =>
    deps.journeys.note(found.step.interaction.uid, { factor });

  return {
    /** The strongest way first; what is to be set up, where there is none. */
    async begin(ctx: Context): Promise<void> {
      const found = await due.load(ctx);
      if (!found) return;
      const [strongest] = found.challenge.methods;
      if (strongest) await render(ctx, found, strongest);
      else seeOther(ctx, pathOf(found.step, 'set-up'));
    },

    show:
      (method: SecondFactorMethod) =>
      async (ctx: Context): Promise<void> => {
        const found = await due.load(ctx);
        if (!found) return;
        if (!found.challenge.methods.includes(method)) return toDue(ctx, found);
        await render(ctx, found, method);
      },

    submit:
      (method: SecondFactorMethod) =>
      async (ctx: Context): Promise<void> => {
        const found = await due.submission(ctx);
        if (!found) return;
        const { step, challenge, form } = found;
        if (!challenge.methods.includes(method)) return toDue(ctx, found);
        const words = wordsFor(method);
        const shown = withoutNews(found);
        const answer = toAnswer(method, form);
        if (!answer) {
          return render(ctx, shown, method, { status: 400, error: { id: words.empty } });
        }
        const options = {
          clientIp: currentRequest()?.clientIp ?? null,
          remember: form.get('remember') === 'yes',
        };
        await complete(
          ctx,
          step,
          () => deps.mfa.verify(challenge.id, answer, options),
          (error) =>
            due.refuse(ctx, found, error, words, (failure) => render(ctx, shown, method, failure)),
        );
      },

    /** What the script hands to `navigator.credentials.get`. */
    async options(ctx: Context): Promise<void> {
      const found = await due.submission(ctx);
      if (!found) return;
      if (!found.challenge.methods.includes('webauthn')) return toDue(ctx, found);
      ctx.set('Cache-Control', 'no-store');
      ctx.body = await deps.mfa.assertionOptions(found.challenge.id);
    },

    send:
      (way: 'sms' | 'email') =>
      async (ctx: Context): Promise<void> => {
        const found = await due.submission(ctx);
        if (!found) return;
        const { step, challenge, factor } = found;
        if (!challenge.methods.includes(way)) return toDue(ctx, found);
        const isResent = factor.sent?.way === way;
        try {
          const locale = await deps.pages.localeOf(ctx, step.page);
          await deps.mfa.sendCode(challenge.id, way, locale);
        } catch (error) {
          // One that was sent a moment ago will do.
          const before = isPause(error) ? { ...factor, sent: { way } } : factor;
          if (isPause(error)) await note(found, before);
          const failed = toStepFailure(ctx, error);
          return render(ctx, { ...found, factor: before }, way, failed);
        }
        await note(found, { ...factor, sent: { way, ...(isResent ? { isResent } : {}) } });
        seeOther(ctx, pathOf(step, `second-factor/${factorPages[way]}`));
      },

    /** Gives the challenge up: somebody else signs in, beside a session that there is. */
    async leave(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      const { uid } = step.interaction;
      const { factor } = await deps.journeys.find(uid);
      const isAnother = factor?.isStepUp === true ? { isAnother: true } : {};
      await deps.journeys.note(uid, { factor: undefined, ...isAnother });
      seeOther(ctx, pathOf(step, 'sign-in'));
    },
  };
}
