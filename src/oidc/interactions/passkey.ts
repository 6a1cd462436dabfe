import type { Context } from 'koa';
import type { WebAuthnPort } from '../../features/mfa/index.ts';
import type { PasskeySignIn, SignedIn } from '../../features/sign-in/index.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import { type SignInFailure, toSignInFailure } from '../sign-in-page.ts';
import type { Step } from '../step.ts';
import type { Complete } from './completion.ts';
import { readAnswer } from './passkey-form.ts';
import type { createSignInStep } from './sign-in.ts';
import { backToStep, isSignIn, type Steps } from './steps.ts';

export interface PasskeyStepDeps {
  signIn: { withPasskey(request: PasskeySignIn): Promise<SignedIn> };
  webauthn: Pick<WebAuthnPort, 'assertionOptions'>;
  deviceCookies: DeviceCookies;
}

/** What a ceremony on the sign-in page belongs to: its answer is good for this interaction. */
const bindingOf = ({ interaction }: Step): string => `interaction:${interaction.uid}`;

const UNKNOWN: SignInFailure = {
  status: 401,
  error: { id: 'sign-in.error.passkey' },
  fieldErrors: {},
};

/** The words for a passkey that opens nothing; nothing was typed that could be checked. */
function toPasskeyFailure(ctx: Context, error: unknown): SignInFailure {
  const failure = toSignInFailure(ctx, error);
  return failure.error?.id === 'sign-in.error.invalid-credentials' ? UNKNOWN : failure;
}

/** The step in which a person signs in by a passkey, without a name; on the sign-in page. */
export function createPasskeyStep(
  deps: PasskeyStepDeps,
  steps: Steps,
  complete: Complete,
  signIn: Pick<ReturnType<typeof createSignInStep>, 'refuse'>,
) {
  return {
    /** What the script hands to `navigator.credentials.get`: any passkey may answer. */
    async options(ctx: Context): Promise<void> {
      const { step } = await steps.submission(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      ctx.set('Cache-Control', 'no-store');
      ctx.body = await deps.webauthn.assertionOptions(null, bindingOf(step));
    },

    async submit(ctx: Context): Promise<void> {
      const { step, form } = await steps.submission(ctx);
      if (!isSignIn(step)) return backToStep(ctx);
      const response = readAnswer(form);
      if (response === undefined) return signIn.refuse(ctx, step, { ...UNKNOWN, status: 400 });
      await complete(
        ctx,
        step,
        () =>
          deps.signIn.withPasskey({
            response,
            binding: bindingOf(step),
            organisation: null,
            tenantId: step.tenantId,
            clientId: step.client.clientId,
            clientIp: currentRequest()?.clientIp ?? null,
            device: deps.deviceCookies.read(ctx),
            acrValues: step.acrValues,
          }),
        (error) => signIn.refuse(ctx, step, toPasskeyFailure(ctx, error)),
      );
    },
  };
}
