import { languagesOf, type Route, route } from '../../kernel/http/index.ts';
import type { TenantService } from '../tenant/index.ts';
import * as schema from './schema.ts';
import type { VerificationService } from './service.ts';

const TAG = ['Auth'] as const;
const REQUEST_ERRORS = ['IDENT_LOCKED'] as const;
const PROOF_ERRORS = ['IDENT_TOKEN_SPENT', 'IDENT_LOCKED'] as const;

export interface VerificationRouteDeps {
  verification: VerificationService;
  tenants: Pick<TenantService, 'findByName'>;
}

/** Whom a body means: nobody where it names a tenant that there is not. */
export async function claimOf(
  tenants: Pick<TenantService, 'findByName'>,
  identifier: string,
  tenant: string | undefined,
) {
  const tenantId = tenant === undefined ? null : (await tenants.findByName(tenant))?.id;
  return { identifier, tenantId, organisation: null };
}

const requestEmail = ({ verification, tenants }: VerificationRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/verify-email/request',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Send a code and a link that verify an e-mail address',
    description: 'The answer is the same for an address that nobody has or that is verified.',
    tags: TAG,
    operationId: 'requestEmailVerification',
    body: schema.emailClaim,
    responses: { 202: schema.codeRequested },
    errors: REQUEST_ERRORS,
    async handle({ body, request }) {
      const claim = await claimOf(tenants, body.email, body.tenant);
      await verification.request('email', claim, languagesOf(request));
      return { status: 'accepted' as const };
    },
  });

const verifyEmail = ({ verification, tenants }: VerificationRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/verify-email',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Verify an e-mail address by the link or the code in the mail',
    tags: TAG,
    operationId: 'verifyEmail',
    body: schema.verifyEmailRequest,
    responses: { 204: null },
    errors: PROOF_ERRORS,
    async handle({ body }) {
      if ('token' in body) {
        await verification.byLink(body.token);
        return;
      }
      const claim = await claimOf(tenants, body.email, body.tenant);
      await verification.byCode('email', claim, body.code);
    },
  });

const requestPhone = ({ verification, tenants }: VerificationRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/verify-phone/request',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Send a code that verifies a phone number',
    description: 'The answer is the same for a number that nobody has or that is verified.',
    tags: TAG,
    operationId: 'requestPhoneVerification',
    body: schema.phoneClaim,
    responses: { 202: schema.codeRequested },
    errors: REQUEST_ERRORS,
    async handle({ body, request }) {
      const claim = await claimOf(tenants, body.phone, body.tenant);
      await verification.request('phone', claim, languagesOf(request));
      return { status: 'accepted' as const };
    },
  });

const verifyPhone = ({ verification, tenants }: VerificationRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/verify-phone',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Verify a phone number by the code that was sent to it',
    tags: TAG,
    operationId: 'verifyPhone',
    body: schema.verifyPhoneRequest,
    responses: { 204: null },
    errors: PROOF_ERRORS,
    async handle({ body }) {
      const claim = await claimOf(tenants, body.phone, body.tenant);
      await verification.byCode('phone', claim, body.code);
    },
  });

/** Proofs that addresses and numbers belong to their users. */
export const verificationRoutes = (deps: VerificationRouteDeps): Route[] =>
  [requestEmail, verifyEmail, requestPhone, verifyPhone].map((make) => make(deps));
