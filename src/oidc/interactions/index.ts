import Router from '@koa/router';
import type { Context } from 'koa';
import { requestFacts } from '../../kernel/http/index.ts';
import { type AccountsDeps, createAccountsStep } from './accounts.ts';
import { type CompletionDeps, createCompletion } from './completion.ts';
import { type ConsentDeps, createConsentStep, DENIED } from './consent.ts';
import { createSignInStep, type SignInStepDeps } from './sign-in.ts';
import { createSteps, isSignIn, type StepDeps } from './steps.ts';

const BASE = '/interaction/:uid';

export type InteractionDeps = StepDeps &
  CompletionDeps &
  ConsentDeps &
  AccountsDeps &
  SignInStepDeps;

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
  const signIn = createSignInStep(deps, steps, complete, accounts);

  async function show(ctx: Context): Promise<void> {
    const step = await steps.load(ctx);
    if (isSignIn(step)) await signIn.begin(ctx, step);
    else await consent.show(ctx, step);
  }

  async function abort(ctx: Context): Promise<void> {
    await steps.submission(ctx);
    await steps.finish(ctx, DENIED);
  }

  return new Router({ strict: true, sensitive: true })
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
    .post(`${BASE}/consent`, consent.submit)
    .post(`${BASE}/abort`, abort);
}
