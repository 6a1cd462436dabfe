import Router from '@koa/router';
import type { Context } from 'koa';
import { requestFacts } from '../../kernel/http/index.ts';
import { type ConsentDeps, createConsentStep, DENIED } from './consent.ts';
import { createSignInStep, type SignInStepDeps } from './sign-in.ts';
import { createSteps, type StepDeps } from './steps.ts';

export type InteractionDeps = StepDeps & ConsentDeps & SignInStepDeps;

/**
 * The steps of a sign-in under /interaction/:uid. The engine decides which step
 * is due; each can be repeated, none can be skipped, an empty or stale POST
 * shows the step again.
 */
export function createInteractions(deps: InteractionDeps): Router {
  const steps = createSteps(deps);
  const consent = createConsentStep(deps, steps);
  const signIn = createSignInStep(deps, steps);

  async function show(ctx: Context): Promise<void> {
    const step = await steps.load(ctx);
    if (step.interaction.prompt.name === 'consent') await consent.show(ctx, step);
    else await signIn.show(ctx, step);
  }

  async function abort(ctx: Context): Promise<void> {
    await steps.submission(ctx);
    await steps.finish(ctx, DENIED);
  }

  return new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = '/interaction/:uid';
      return next();
    })
    .get('/interaction/:uid', show)
    .post('/interaction/:uid/sign-in', signIn.submit)
    .post('/interaction/:uid/consent', consent.submit)
    .post('/interaction/:uid/abort', abort);
}
