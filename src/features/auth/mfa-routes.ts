import { languagesOf, type Route, route } from '../../kernel/http/index.ts';
import type { Challenges } from '../mfa/index.ts';
import { codeRequested } from '../verification/index.ts';
import * as schema from './mfa-schema.ts';
import { tokenResponse } from './schema.ts';
import type { AuthService } from './service.ts';

export interface MfaRouteDeps {
  auth: Pick<AuthService, 'complete'>;
  mfa: Challenges;
}

const facts = { method: 'POST', auth: 'none', limit: 'sensitive', tags: ['Auth'] } as const;

/** How a challenge may have ended before its answer, or the account with it. */
const GONE = ['IDENT_TOKEN_SPENT', 'IDENT_LOCKED'] as const;

const verify = ({ auth, mfa }: MfaRouteDeps): Route =>
  route({
    ...facts,
    path: '/auth/mfa/verify',
    summary: 'Complete a sign-in by its second factor',
    description:
      'Where `/auth/login` or another sign-in answered `IDENT_MFA_REQUIRED`. The third wrong ' +
      'answer ends the challenge; `triesLeft` tells how many are left.',
    operationId: 'verifySecondFactor',
    body: schema.mfaVerifyRequest,
    responses: { 200: tokenResponse },
    errors: [...GONE, 'IDENT_MFA_FAILED', 'IDENT_MFA_REQUIRED', 'IDENT_INVALID_CREDENTIALS'],
    async handle({ body: { challengeId, ...answer }, request: { clientIp } }) {
      const signedIn = await mfa.verify(challengeId, answer, { clientIp });
      return auth.complete(signedIn, signedIn);
    },
  });

const options = ({ mfa }: MfaRouteDeps): Route =>
  route({
    ...facts,
    path: '/auth/mfa/options',
    summary: 'Options to show a passkey or security key by',
    operationId: 'getSecondFactorOptions',
    body: schema.mfaChallenge,
    responses: { 200: schema.ceremonyOptions },
    errors: GONE,
    handle: async ({ body }) => ({ ...(await mfa.assertionOptions(body.challengeId)) }),
  });

const code = ({ mfa }: MfaRouteDeps): Route =>
  route({
    ...facts,
    path: '/auth/mfa/code',
    summary: 'Send a code as second factor',
    description: 'Only where the tenant takes such codes, to an address that was proved.',
    operationId: 'requestSecondFactorCode',
    body: schema.mfaCodeRequest,
    responses: { 202: codeRequested },
    errors: GONE,
    async handle({ body, request }) {
      await mfa.sendCode(body.challengeId, body.method, languagesOf(request));
      return { status: 'accepted' as const };
    },
  });

const enrollTotp = ({ mfa }: MfaRouteDeps): Route =>
  route({
    ...facts,
    path: '/auth/mfa/enroll/totp',
    summary: 'Begin to set up an authenticator app within a sign-in',
    description: 'Where `enroll` in the answer names `totp`. Asked again, it answers the same.',
    operationId: 'beginTotpInSignIn',
    body: schema.mfaChallenge,
    responses: { 200: schema.mfaTotpEnrolment },
    errors: [...GONE, 'IDENT_NOT_FOUND'],
    handle: ({ body }) => mfa.enrollTotp(body.challengeId),
  });

const enrollWebAuthn = ({ mfa }: MfaRouteDeps): Route =>
  route({
    ...facts,
    path: '/auth/mfa/enroll/webauthn/options',
    summary: 'Options to make a passkey by within a sign-in',
    operationId: 'beginPasskeyInSignIn',
    body: schema.mfaChallenge,
    responses: { 200: schema.ceremonyOptions },
    errors: [...GONE, 'IDENT_WEBAUTHN_LIMIT'],
    handle: async ({ body }) => ({ ...(await mfa.registrationOptions(body.challengeId)) }),
  });

const enroll = ({ auth, mfa }: MfaRouteDeps): Route =>
  route({
    ...facts,
    path: '/auth/mfa/enroll',
    summary: 'Complete a sign-in by setting up a second factor',
    operationId: 'enrollInSignIn',
    body: schema.mfaEnrollRequest,
    responses: { 200: schema.mfaEnrolled },
    errors: [...GONE, 'IDENT_WEBAUTHN_LIMIT', 'IDENT_INVALID_CREDENTIALS', 'IDENT_NOT_FOUND'],
    async handle({ body: { challengeId, ...answer }, request: { clientIp } }) {
      const { signedIn, recoveryCodes } = await mfa.enroll(challengeId, answer, { clientIp });
      return { ...(await auth.complete(signedIn, signedIn)), recoveryCodes };
    },
  });

const postpone = ({ auth, mfa }: MfaRouteDeps): Route =>
  route({
    ...facts,
    path: '/auth/mfa/postpone',
    summary: 'Sign in without the second factor that is still to be set up',
    description:
      'Where `mayPostpone` in the answer says so: within the grace period of the tenant.',
    operationId: 'postponeSecondFactor',
    body: schema.mfaChallenge,
    responses: { 200: tokenResponse },
    errors: [...GONE, 'IDENT_INVALID_TRANSITION', 'IDENT_INVALID_CREDENTIALS'],
    async handle({ body }) {
      const signedIn = await mfa.postpone(body.challengeId);
      return auth.complete(signedIn, signedIn);
    },
  });

/** From `IDENT_MFA_REQUIRED` to tokens. */
export const mfaRoutes = (deps: MfaRouteDeps): Route[] =>
  [verify, options, code, enrollTotp, enrollWebAuthn, enroll, postpone].map((make) => make(deps));
