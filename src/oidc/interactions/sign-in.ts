import type { Context } from 'koa';
import type { SignInService } from '../../features/sign-in/index.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { type SignInFailure, showSignIn, toSignInFailure } from '../sign-in-page.ts';
import type { Step } from '../step.ts';
import { backToStep, type Steps, text } from './steps.ts';

export interface SignInStepDeps {
  signIn: Pick<SignInService, 'withPassword'>;
  pages: PageRenderer;
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

/** The step in which a person signs in with a password. */
export function createSignInStep(deps: SignInStepDeps, steps: Steps) {
  return {
    show: (ctx: Context, step: Step): Promise<void> =>
      showSignIn(ctx, deps.pages, step, { identifier: text(step.interaction.params.login_hint) }),

    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      if (step.interaction.prompt.name === 'consent') return backToStep(ctx);
      const identifier = form.get('identifier')?.trim() ?? '';
      const password = form.get('password') ?? '';
      const organisation = form.get('organisation')?.trim() ?? '';
      const typed = { identifier, organisation };
      if (identifier === '' || password === '') {
        return showSignIn(ctx, deps.pages, step, {
          ...typed,
          failure: missingFields(identifier, password),
        });
      }
      try {
        const signedIn = await deps.signIn.withPassword({
          identifier,
          password,
          organisation: organisation || null,
          tenantId: step.tenantId,
          clientId: step.client.clientId,
          clientIp: currentRequest()?.clientIp ?? null,
          device: deps.deviceCookies.read(ctx),
        });
        deps.deviceCookies.write(ctx, signedIn);
        const { user, amr, acr, authTime } = signedIn;
        await steps.finish(ctx, {
          login: { accountId: user.id, amr, acr, ts: authTime, remember: true },
          // Whoever signs in has chosen the account.
          select_account: {},
        });
      } catch (error) {
        const failure = toSignInFailure(ctx, error);
        await showSignIn(ctx, deps.pages, step, { ...typed, failure });
      }
    },
  };
}
