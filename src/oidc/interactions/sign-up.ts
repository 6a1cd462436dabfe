import type { Context } from 'koa';
import { z } from 'zod';
import type { PasswordPolicy } from '../../features/password/index.ts';
import type { SignUpService } from '../../features/sign-up/index.ts';
import { parseIdentifier } from '../../features/user/index.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import { AppError } from '../../kernel/errors.ts';
import type { FormError, PageModels } from '../../pages/index.ts';
import type { Onward } from '../../web/onward.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { type StepFailure, toPasswordError, toStepFailure } from '../../web/step-failures.ts';
import { clientName } from '../sign-in-page.ts';
import type { Step } from '../step.ts';
import type { Journeys } from './journeys.ts';
import type { createOffers, Offers } from './offers.ts';
import { backToStep, isSignIn, pathOf, type Steps, seeOther, text } from './steps.ts';

export interface SignUpStepDeps {
  signUp: Pick<SignUpService, 'register'>;
  passwordPolicy: Pick<PasswordPolicy, 'strength'>;
  journeys: Journeys;
  onward: Onward;
  pages: PageRenderer;
}

type Fields = PageModels['sign-up']['fieldErrors'];
type Scheme = PageModels['sign-up']['takes'][number];

interface Typed {
  name: string;
  identifier: string;
  /** What was typed before the form comes back: how strong it is, is told beside the field. */
  password?: string;
  fieldErrors?: Fields;
  failure?: StepFailure;
}

/** What can be signed up with: what can be proved, and a name where nothing has to be. */
const takesOf = ({ mail, sms }: Offers): Scheme[] => [
  ...(mail ? (['email'] as const) : []),
  ...(sms ? (['phone'] as const) : []),
  ...(mail || sms ? [] : (['username'] as const)),
];

/** The words for an identifier that is none of those that are taken. */
const wrongIdentifier = (takes: Scheme[]): FormError => ({
  id: takes.length === 1 ? `sign-up.field.${takes[0]}` : 'sign-up.field.identifier',
});

/** What is wrong with which field, by the error; undefined where it is none of theirs. */
function toFieldErrors(error: unknown, takes: Scheme[], minLength: number): Fields | undefined {
  const password = toPasswordError(error, minLength);
  if (password) return { password };
  if (error instanceof AppError && error.code === 'IDENT_USERNAME_DUPLICATE') {
    return { identifier: { id: 'sign-up.field.taken' } };
  }
  if (!(error instanceof z.ZodError)) return undefined;
  const paths = error.issues.map(({ path }) => String(path[0]));
  if (paths.includes('password')) return { password: { id: 'password.error.long' } };
  if (paths.includes('name')) return { name: { id: 'sign-up.field.name' } };
  return { identifier: wrongIdentifier(takes) };
}

/** The step in which a person makes an account. */
export function createSignUpStep(
  deps: SignUpStepDeps,
  steps: Steps,
  offersOf: ReturnType<typeof createOffers>,
) {
  async function render(ctx: Context, step: Step, offers: Offers, typed: Typed): Promise<void> {
    const { failure, fieldErrors = {}, password = '', name, identifier } = typed;
    const words = [name, identifier];
    const strength = password && (await deps.passwordPolicy.strength(password, words));
    const isWrong = Object.keys(fieldErrors).length > 0;
    await deps.pages.render(
      ctx,
      'sign-up',
      {
        action: pathOf(step, 'sign-up'),
        backUrl: pathOf(step, 'sign-in'),
        csrfToken: step.csrfToken,
        clientName: clientName(step.client.metadata),
        takes: takesOf(offers),
        name: typed.name,
        identifier: typed.identifier,
        minLength: offers.minLength,
        strength: strength === '' ? null : strength,
        error: failure?.error ?? null,
        fieldErrors,
      },
      { ...step.page, status: failure?.status ?? (isWrong ? 400 : 200) },
    );
  }

  /** What is offered, where signing up is due and offered; else answers. */
  async function admit(ctx: Context, step: Step): Promise<Offers | undefined> {
    const offers = await offersOf(step);
    if (isSignIn(step) && offers.signUp) return offers;
    backToStep(ctx);
    return undefined;
  }

  function checkFields(form: Typed & { password: string }, takes: Scheme[]): Fields {
    const scheme = parseIdentifier(form.identifier)?.scheme;
    const fits = scheme !== undefined && takes.includes(scheme);
    return {
      ...(form.name === '' ? { name: { id: 'sign-up.field.name' } } : {}),
      ...(fits ? {} : { identifier: wrongIdentifier(takes) }),
      ...(form.password === '' ? { password: { id: 'password.error.required' } } : {}),
    };
  }

  /** Makes the account. What comes next is the same where there is one already. */
  async function register(ctx: Context, step: Step, form: Typed & { password: string }) {
    const parsed = parseIdentifier(form.identifier);
    const tenantId = step.page.tenantId ?? '';
    if (!parsed) throw new AppError('IDENT_INTERNAL');
    const { name, password } = form;
    const locale = await deps.pages.localeOf(ctx, step.page);
    await deps.signUp.register(
      { tenantId, name, password, locale, [parsed.scheme]: parsed.value },
      currentRequest()?.clientIp ?? null,
    );
    const { uid } = step.interaction;
    const { scheme, value: identifier } = parsed;
    if (scheme === 'username') {
      await deps.journeys.note(uid, { notice: { about: 'signed-up', identifier } });
      return seeOther(ctx, pathOf(step, 'sign-in'));
    }
    deps.onward.note(ctx, uid);
    await deps.journeys.note(uid, {
      verify: { way: scheme === 'email' ? 'email' : 'sms', identifier, organisation: '' },
    });
    seeOther(ctx, pathOf(step, 'verify'));
  }

  return {
    async show(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      const offers = await admit(ctx, step);
      if (!offers) return;
      const hint = text(step.interaction.params.login_hint);
      const scheme = parseIdentifier(hint)?.scheme;
      const fits = scheme !== undefined && takesOf(offers).includes(scheme);
      await render(ctx, step, offers, { name: '', identifier: fits ? hint : '' });
    },

    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      const offers = await admit(ctx, step);
      if (!offers) return;
      const typed = {
        name: form.get('name')?.trim() ?? '',
        identifier: form.get('identifier')?.trim() ?? '',
        password: form.get('password') ?? '',
      };
      const fieldErrors = checkFields(typed, takesOf(offers));
      if (Object.keys(fieldErrors).length > 0) {
        return render(ctx, step, offers, { ...typed, fieldErrors });
      }
      try {
        await register(ctx, step, typed);
      } catch (error) {
        const wrong = toFieldErrors(error, takesOf(offers), offers.minLength);
        if (wrong) return render(ctx, step, offers, { ...typed, fieldErrors: wrong });
        await render(ctx, step, offers, { ...typed, failure: toStepFailure(ctx, error) });
      }
    },
  };
}
