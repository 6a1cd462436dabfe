import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Letters, digits, punctuation and symbols of any script: nothing that is unseen or breaks a line. */
const PLAIN = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,64}$/u;

/** A message is shown on a page of ours: an address in it would lead people away. */
const ADDRESS = /:\/\/|\bwww\./i;

/** @throws InvalidBindingMessage (CIBA Core 13) */
function checkBindingMessage(message: string | undefined): void {
  if (message === undefined) return;
  if (PLAIN.test(message) && message.trim() !== '' && !ADDRESS.test(message)) return;
  throw new errors.InvalidBindingMessage(
    'binding_message must be 1 to 64 printable characters on one line, without an address',
  );
}

/**
 * What the engine leaves open of a request: that its client proves who it is, as
 * it makes us write to people (CIBA Core 7.1).
 */
function checkRequest({ oidc }: KoaContextWithOIDC): void {
  if (oidc.client?.clientAuthMethod === 'none') {
    throw new errors.UnauthorizedClient('the client must authenticate');
  }
}

/** Client-initiated backchannel authentication (OpenID Connect CIBA Core 1.0), by poll and ping. */
export const ciba = ({ ciba: hooks }: ProviderDeps) =>
  ({
    ciba: {
      enabled: true,
      deliveryModes: ['poll', 'ping'],
      processLoginHint: async (ctx, hint) => hooks.processLoginHint(ctx, hint ?? ''),
      async processLoginHintToken() {
        throw new errors.InvalidRequest('login_hint_token is not supported: use login_hint');
      },
      validateRequestContext: async (ctx) => checkRequest(ctx),
      validateBindingMessage: async (_ctx, message) => checkBindingMessage(message),
      // There are no user codes (CIBA Core 7.1), but here the person is known and nothing stored.
      verifyUserCode: (ctx, account) => hooks.admit(ctx, account),
      triggerAuthenticationDevice: hooks.trigger,
    },
  }) satisfies Features;
