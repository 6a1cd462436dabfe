import Router from '@koa/router';
import type { Context } from 'koa';
import { secondFactorMethods } from '../../features/mfa/index.ts';
import { requestFacts } from '../../kernel/http/index.ts';
import { type AccountsDeps, createAccountsStep } from './accounts.ts';
import { type CodeStepDeps, createCodeStep } from './code.ts';
import { type Complete, type CompletionDeps, createCompletion } from './completion.ts';
import { type ConsentDeps, createConsentStep, DENIED } from './consent.ts';
import { createDueFactors, type DueFactorDeps } from './due-factor.ts';
import { createForgotStep, type ForgotStepDeps } from './forgot.ts';
import { createOffers, type OfferDeps } from './offers.ts';
import { createPasskeyStep, type PasskeyStepDeps } from './passkey.ts';
import { createRecoveryCodesStep, type RecoveryCodesStepDeps } from './recovery-codes.ts';
import { createSecondFactorStep, factorPages, type SecondFactorStepDeps } from './second-factor.ts';
import { createSetUpStep, type SetUpStepDeps } from './set-up.ts';
import { createSignInStep, type SignInStepDeps } from './sign-in.ts';
import { createSignUpStep, type SignUpStepDeps } from './sign-up.ts';
import { createStepUp, type StepUpDeps } from './step-up.ts';
import { createSteps, isSignIn, type StepDeps, type Steps } from './steps.ts';
import { createVerifyStep, type VerifyStepDeps } from './verify.ts';

const BASE = '/interaction/:uid';

export type InteractionDeps = StepDeps &
  CompletionDeps &
  ConsentDeps &
  AccountsDeps &
  SignInStepDeps &
  StepUpDeps &
  OfferDeps &
  SignUpStepDeps &
  VerifyStepDeps &
  CodeStepDeps &
  ForgotStepDeps &
  PasskeyStepDeps &
  DueFactorDeps &
  SecondFactorStepDeps &
  SetUpStepDeps &
  RecoveryCodesStepDeps;

/** The steps between password and sign-in, and the one after the first factor was set up. */
function addFactorRoutes(
  router: Router,
  deps: InteractionDeps,
  steps: Steps,
  complete: Complete,
): void {
  const due = createDueFactors(deps, steps);
  const factor = createSecondFactorStep(deps, steps, due, complete);
  const setUp = createSetUpStep(deps, due, complete);
  const codes = createRecoveryCodesStep(deps, steps);
  router
    .get(`${BASE}/second-factor`, factor.begin)
    .post(`${BASE}/second-factor/leave`, factor.leave)
    .post(`${BASE}/second-factor/passkey/options`, factor.options)
    .post(`${BASE}/second-factor/sms/send`, factor.send('sms'))
    .post(`${BASE}/second-factor/email/send`, factor.send('email'))
    .get(`${BASE}/set-up`, setUp.begin)
    .post(`${BASE}/set-up/later`, setUp.postpone)
    .get(`${BASE}/set-up/app`, setUp.show('totp'))
    .post(`${BASE}/set-up/app`, setUp.submitApp)
    .get(`${BASE}/set-up/passkey`, setUp.show('webauthn'))
    .post(`${BASE}/set-up/passkey`, setUp.submitPasskey)
    .post(`${BASE}/set-up/passkey/options`, setUp.options)
    .get(`${BASE}/recovery-codes`, codes.show)
    .post(`${BASE}/recovery-codes`, codes.saved)
    .post(`${BASE}/recovery-codes/file`, codes.download);
  for (const method of secondFactorMethods) {
    router
      .get(`${BASE}/second-factor/${factorPages[method]}`, factor.show(method))
      .post(`${BASE}/second-factor/${factorPages[method]}`, factor.submit(method));
  }
}

/**
 * The steps of a sign-in under /interaction/:uid. The engine decides which step
 * is due; each can be repeated, none can be skipped, an empty or stale POST
 * shows the step again.
 */
export function createInteractions(deps: InteractionDeps): Router {
  const steps = createSteps(deps);
  const complete = createCompletion(deps, steps);
  const consent = createConsentStep(deps, steps);
  const accounts = createAccountsStep(deps, steps);
  const offersOf = createOffers(deps);
  const stepUp = createStepUp(deps, complete);
  const signIn = createSignInStep(deps, steps, { complete, stepUp }, accounts, offersOf);
  const signUp = createSignUpStep(deps, steps, offersOf);
  const verify = createVerifyStep(deps, steps);
  const code = createCodeStep(deps, steps, complete, offersOf);
  const forgot = createForgotStep(deps, steps, offersOf);
  const passkey = createPasskeyStep(deps, steps, complete, signIn);

  async function show(ctx: Context): Promise<void> {
    const step = await steps.load(ctx);
    if (isSignIn(step)) await signIn.begin(ctx, step);
    else await consent.show(ctx, step);
  }

  async function abort(ctx: Context): Promise<void> {
    await steps.submission(ctx);
    await steps.finish(ctx, DENIED);
  }

  const router = new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = BASE;
      return next();
    })
    .get(BASE, show)
    .get(`${BASE}/sign-in`, signIn.show)
    .post(`${BASE}/sign-in`, signIn.submit)
    .get(`${BASE}/accounts`, accounts.show)
    .post(`${BASE}/accounts`, accounts.choose)
    .post(`${BASE}/accounts/forget`, accounts.forget)
    .post(`${BASE}/accounts/another`, accounts.another)
    .get(`${BASE}/sign-up`, signUp.show)
    .post(`${BASE}/sign-up`, signUp.submit)
    .get(`${BASE}/verify`, verify.show)
    .post(`${BASE}/verify`, verify.submit)
    .post(`${BASE}/verify/resend`, verify.resend)
    .get(`${BASE}/code/enter`, code.show)
    .post(`${BASE}/code/enter`, code.submit)
    .post(`${BASE}/code/resend`, code.resend)
    .get(`${BASE}/code/email`, code.showIdentify('email'))
    .post(`${BASE}/code/email`, code.identify('email'))
    .get(`${BASE}/code/sms`, code.showIdentify('sms'))
    .post(`${BASE}/code/sms`, code.identify('sms'))
    .get(`${BASE}/forgot`, forgot.showIdentify)
    .post(`${BASE}/forgot`, forgot.identify)
    .get(`${BASE}/reset`, forgot.show)
    .post(`${BASE}/reset`, forgot.submit)
    .post(`${BASE}/reset/resend`, forgot.resend)
    .post(`${BASE}/passkey`, passkey.submit)
    .post(`${BASE}/passkey/options`, passkey.options)
    .post(`${BASE}/consent`, consent.submit)
    .post(`${BASE}/abort`, abort);
  addFactorRoutes(router, deps, steps, complete);
  return router;
}
