import { languagesOf, type Route, route } from '../../kernel/http/index.ts';
import { API_CLIENT_ID } from '../client/index.ts';
import type { CodeProof, CodeRequest, SignedIn } from '../sign-in/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { claimOf, codeRequested } from '../verification/index.ts';
import { codeRequest, codeSignIn, tokenResponse } from './schema.ts';
import type { AuthService } from './service.ts';

export interface CodeRouteDeps {
  auth: Pick<AuthService, 'complete'>;
  signIn: {
    requestCode(request: CodeRequest): Promise<void>;
    withCode(proof: CodeProof): Promise<SignedIn>;
  };
  tenants: Pick<TenantService, 'findByName'>;
}

const request = (deps: CodeRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/otp/request',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Send a code to sign in by',
    description:
      'To a verified e-mail address or phone number, where the tenant allows it. The answer is the same where it does not, and for an address that nobody has.',
    tags: ['Auth'],
    operationId: 'requestSignInCode',
    body: codeRequest,
    responses: { 202: codeRequested },
    errors: ['IDENT_LOCKED'],
    async handle({ body, request: { header } }) {
      const claim = await claimOf(deps.tenants, body.identifier, body.tenant);
      await deps.signIn.requestCode({ ...claim, locale: languagesOf({ header }) });
      return { status: 'accepted' as const };
    },
  });

const verify = (deps: CodeRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/otp/verify',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Sign in by the code',
    tags: ['Auth'],
    operationId: 'signInByCode',
    body: codeSignIn,
    responses: { 200: tokenResponse },
    errors: [
      'IDENT_TOKEN_SPENT',
      'IDENT_LOCKED',
      'IDENT_INVALID_CREDENTIALS',
      'IDENT_MFA_REQUIRED',
    ],
    async handle({ body, request: { clientIp } }) {
      const claim = await claimOf(deps.tenants, body.identifier, body.tenant);
      const { code, acrValues } = body;
      const proof = { ...claim, code, acrValues, clientId: API_CLIENT_ID, clientIp };
      return deps.auth.complete(await deps.signIn.withCode(proof), claim);
    },
  });

/** Sign-in without a password. */
export const codeRoutes = (deps: CodeRouteDeps): Route[] => [request(deps), verify(deps)];
