import { type Route, route } from '../../kernel/http/index.ts';
import { newSecret } from '../../kernel/ids.ts';
import { API_CLIENT_ID } from '../client/index.ts';
import type { PasskeySignIn, SignedIn } from '../sign-in/index.ts';
import type { TenantService } from '../tenant/index.ts';
import type { WebAuthnService } from '../webauthn/index.ts';
import { passkeyOptions, passkeySignIn, tokenResponse } from './schema.ts';
import type { AuthService } from './service.ts';

export interface PasskeyRouteDeps {
  auth: Pick<AuthService, 'complete'>;
  signIn: { withPasskey(request: PasskeySignIn): Promise<SignedIn> };
  webauthn: Pick<WebAuthnService, 'assertionOptions'>;
  tenants: Pick<TenantService, 'findByName'>;
}

/** A ceremony of the API belongs to the id that was given with its options. */
const bindingOf = (ceremonyId: string): string => `api:${ceremonyId}`;

/** Bytes of the id of a ceremony. */
const CEREMONY_ID = 16;

const options = ({ webauthn }: PasskeyRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/passkey/options',
    auth: 'none',
    limit: 'default',
    summary: 'Begin to sign in with a passkey, without a name',
    description:
      'For `navigator.credentials.get`, with conditional mediation too. The same for everybody, so it tells nothing about any account.',
    tags: ['Auth'],
    operationId: 'beginPasskeySignIn',
    responses: { 200: passkeyOptions },
    errors: [],
    async handle() {
      const ceremonyId = newSecret(CEREMONY_ID);
      return { ceremonyId, options: await webauthn.assertionOptions(null, bindingOf(ceremonyId)) };
    },
  });

const verify = (deps: PasskeyRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/passkey/verify',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Sign in with a passkey',
    description:
      'A passkey is phishing-resistant and two factors by itself: no further one is asked for. Whatever is wrong, the answer is the same.',
    tags: ['Auth'],
    operationId: 'signInByPasskey',
    body: passkeySignIn,
    responses: { 200: tokenResponse },
    errors: ['IDENT_INVALID_CREDENTIALS', 'IDENT_LOCKED', 'IDENT_MFA_REQUIRED'],
    async handle({ body, request: { clientIp } }) {
      const { tenant, response, acrValues } = body;
      const tenantId = tenant === undefined ? null : (await deps.tenants.findByName(tenant))?.id;
      const signedIn = await deps.signIn.withPasskey({
        ...{ response, acrValues, tenantId, clientIp, organisation: null },
        binding: bindingOf(body.ceremonyId),
        clientId: API_CLIENT_ID,
      });
      return deps.auth.complete(signedIn, { tenantId });
    },
  });

/** Sign-in by a passkey alone. */
export const passkeyRoutes = (deps: PasskeyRouteDeps): Route[] => [options(deps), verify(deps)];
