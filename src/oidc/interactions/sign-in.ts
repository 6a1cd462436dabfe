import type { Context } from 'koa';
import type { SignInService } from '../../features/sign-in/index.ts';
import { describeUser } from '../../features/user/index.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import type { BrowserSession } from '../browser-sessions.ts';
import { FORGOT_HINT } from '../forgot-link.ts';
import { type SignInFailure, showSignIn, toSignInFailure } from '../sign-in-page.ts';
import type { Step } from '../step.ts';
import type { createAccountsStep } from './accounts.ts';
import type { Complete } from './completion.ts';
import type { Journeys } from './journeys.ts';
import type { createOffers } from './offers.ts';
import type { createStepUp } from './step-up.ts';
import { backToStep, isSignIn, pathOf, type Steps, seeOther, text } from './steps.ts';

export interface SignInStepDeps {
  signIn: Pick<SignInService, 'withPassword'>;
  pages: PageRenderer;
  journeys: Journeys;
  deviceCookies: DeviceCookies;
}

function missingFields(identifier: string, password: string): SignInFailure {
  return {
    status: 400,
    error: null,
    fieldErrors: {
      ...(identifier === '' ? { identifier: 'sign-in.field.identifier-required' } : {}),
      ...(password === '' ? { password: 'sign-in.field.password-required' } : {}),
    },
  };
}

/** Reasons to ask who is signed in once more, rather than somebody else. */
const ONCE_MORE: ReadonlySet<string> = new Set(['login_prompt', 'max_age', 'acr']);

/** What was typed, and what was wrong with it. */
type Typed = Pick<
  Parameters<typeof showSignIn>[3],
  'identifier' | 'organisation' | 'failure' | 'notice'
>;

/** The step in which a person signs in with a password. */
export function createSignInStep(
  deps: SignInStepDeps,
  steps: Steps,
  { complete, stepUp }: { complete: Complete; stepUp: ReturnType<typeof createStepUp> },
  accounts: ReturnType<typeof createAccountsStep>,
  offersOf: ReturnType<typeof createOffers>,
) {
  async function render(ctx: Context, step: Step, typed: Typed): Promise<void> {
    const [offers, others] = await Promise.all([offersOf(step), accounts.list(ctx, step)]);
    const when = (isOffered: boolean, page: string) => (isOffered ? pathOf(step, page) : null);
    const ways = {
      emailCode: when(offers.emailCode, 'code/email'),
      smsCode: when(offers.smsCode, 'code/sms'),
      forgot: when(offers.forgot, 'forgot'),
      signUp: when(offers.signUp, 'sign-up'),
      accounts: when(others.length > 0, 'accounts'),
      passkey: { action: pathOf(step, 'passkey'), optionsUrl: pathOf(step, 'passkey/options') },
    };
    await showSignIn(ctx, deps.pages, step, { ...typed, ways });
  }

  /** Whoever is to sign in once more need not say who they are: this browser shows it anyway. */
  async function findKnown(ctx: Context, step: Step): Promise<string> {
    const { prompt, session } = step.interaction;
    if (!session || !prompt.reasons.every((reason) => ONCE_MORE.has(reason))) return '';
    const found = (await accounts.list(ctx, step)).find(({ isCurrent }) => isCurrent);
    const isSame = found?.session.uid === session.uid;
    return isSame ? describeUser(found.account.user).identifier : '';
  }

  async function renderEmpty(ctx: Context, step: Step): Promise<void> {
    const { notice, verify, isAnother } = await deps.journeys.find(step.interaction.uid);
    const hint = text(step.interaction.params.login_hint);
    const known = isAnother ? '' : await findKnown(ctx, step);
    await render(ctx, step, {
      identifier: notice?.identifier ?? verify?.identifier ?? (hint || known),
      ...(notice ? { notice: `sign-in.notice.${notice.about}` } : {}),
    });
  }

  /** Whether to ask for an account first: where that was demanded, or sessions but no current one. */
  const asksForAccount = ({ interaction: { prompt } }: Step, found: BrowserSession[]): boolean =>
    prompt.name === 'select_account'
      ? found.length > 0
      : prompt.reasons.includes('no_session') && found.some(({ isCurrent }) => !isCurrent);

  /** Whether this begins with the step for people who have forgotten their password: once. */
  async function beginsWithForgot(step: Step): Promise<boolean> {
    const { uid, params } = step.interaction;
    if (params.screen_hint !== FORGOT_HINT || !(await offersOf(step)).forgot) return false;
    const { isBegun } = await deps.journeys.find(uid);
    await deps.journeys.note(uid, { isBegun: true });
    return !isBegun;
  }

  return {
    /** What an interaction begins with. */
    async begin(ctx: Context, step: Step): Promise<void> {
      if (await beginsWithForgot(step)) return seeOther(ctx, pathOf(step, 'forgot'));
      // Who has signed in has still to save the codes.
      const { codes } = await deps.journeys.find(step.interaction.uid);
      if (codes !== undefined) return seeOther(ctx, pathOf(step, 'recovery-codes'));
      if (await stepUp(ctx, step)) return;
      const found = await accounts.list(ctx, step);
      if (asksForAccount(step, found)) await accounts.render(ctx, step, found);
      else await renderEmpty(ctx, step);
    },

    /** The form again, where another way on it was refused. */
    refuse: (ctx: Context, step: Step, failure: SignInFailure): Promise<void> =>
      render(ctx, step, { identifier: text(step.interaction.params.login_hint), failure }),

    /** The form, whatever the interaction began with. */
    async show(ctx: Context): Promise<void> {
      const step = await steps.load(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      await renderEmpty(ctx, step);
    },

    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      const identifier = form.get('identifier')?.trim() ?? '';
      const password = form.get('password') ?? '';
      const organisation = form.get('organisation')?.trim() ?? '';
      const typed = { identifier, organisation };
      if (identifier === '' || password === '') {
        return render(ctx, step, { ...typed, failure: missingFields(identifier, password) });
      }
      await complete(
        ctx,
        step,
        () =>
          deps.signIn.withPassword({
            identifier,
            password,
            organisation: organisation || null,
            tenantId: step.tenantId,
            clientId: step.client.clientId,
            clientIp: currentRequest()?.clientIp ?? null,
            device: deps.deviceCookies.read(ctx),
            acrValues: step.acrValues,
          }),
        (error) => render(ctx, step, { ...typed, failure: toSignInFailure(ctx, error) }),
      );
    },
  };
}
