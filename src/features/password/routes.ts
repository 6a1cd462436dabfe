import { z } from 'zod';
import { FRESH_SIGN_IN, languagesOf, type Route, route } from '../../kernel/http/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { claimOf, codeRequested, sixDigits, tenantName } from '../verification/index.ts';
import { LONGEST_PASSWORD_INPUT } from './policy.ts';
import type { PasswordService } from './service.ts';

const TAG = ['Auth'] as const;
const CHOICE_ERRORS = [
  'IDENT_WEAK_PASSWORD',
  'IDENT_BREACHED_PASSWORD',
  'IDENT_HASH_BUSY',
  'IDENT_LOCKED',
] as const;

const password = z.string().min(1).max(LONGEST_PASSWORD_INPUT);
const identifier = z.string().min(1).max(320).describe('E-mail address, phone number or username');

const forgotRequest = z.object({ identifier, tenant: tenantName }).meta({ id: 'ForgotPassword' });

const resetRequest = z
  .union([
    z.strictObject({
      token: z
        .string()
        .min(1)
        .max(100)
        .describe('From the link in the mail, or for a code that was verified; 30 minutes'),
      password,
    }),
    z.strictObject({ identifier, code: sixDigits, password, tenant: tenantName }),
  ])
  .meta({ id: 'ResetPassword' });

const verifyCodeRequest = z
  .object({ identifier, code: sixDigits, tenant: tenantName })
  .meta({ id: 'VerifyPasswordCode' });

const verifiedCode = z
  .object({ resetToken: z.string().describe('The `token` of a reset') })
  .meta({ id: 'VerifiedPasswordCode' });

const changeRequest = z
  .object({ currentPassword: password, newPassword: password })
  .meta({ id: 'ChangePassword' });

export interface PasswordRouteDeps {
  password: Pick<PasswordService, 'forgot' | 'verifyCode' | 'reset' | 'resetByCode' | 'change'>;
  tenants: Pick<TenantService, 'findByName'>;
}

const forgot = ({ password: service, tenants }: PasswordRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/password/forgot',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Send a code and a link that set a new password',
    description:
      'To the address or number if it was verified. The answer is the same whoever it means, ' +
      'and for nobody.',
    tags: TAG,
    operationId: 'forgotPassword',
    body: forgotRequest,
    responses: { 202: codeRequested },
    errors: ['IDENT_LOCKED'],
    async handle({ body, request }) {
      const claim = await claimOf(tenants, body.identifier, body.tenant);
      await service.forgot(claim, languagesOf(request));
      return { status: 'accepted' as const };
    },
  });

const verifyCode = ({ password: service, tenants }: PasswordRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/password/verify-code',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Use the code that was sent up for a token that sets a new password',
    description:
      'For clients that ask for the code first and for the password after it. The token is good ' +
      'for thirty minutes and one password; one that is refused does not use it up.',
    tags: TAG,
    operationId: 'verifyPasswordCode',
    body: verifyCodeRequest,
    responses: { 200: verifiedCode },
    errors: ['IDENT_TOKEN_SPENT', 'IDENT_LOCKED'],
    async handle({ body }) {
      const claim = await claimOf(tenants, body.identifier, body.tenant);
      return { resetToken: await service.verifyCode(claim, body.code) };
    },
  });

const reset = ({ password: service, tenants }: PasswordRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/password/reset',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Set a new password by the link or the code that was sent',
    description:
      'All sessions end, and none begins. A password that is refused does not use the token up; ' +
      'where the code was right, `resetToken` in the error is a token in its place.',
    tags: TAG,
    operationId: 'resetPassword',
    body: resetRequest,
    responses: { 204: null },
    errors: ['IDENT_TOKEN_SPENT', ...CHOICE_ERRORS],
    async handle({ body }) {
      if ('token' in body) return service.reset(body.token, body.password);
      const claim = await claimOf(tenants, body.identifier, body.tenant);
      await service.resetByCode(claim, body.code, body.password);
    },
  });

const change = ({ password: service }: PasswordRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/auth/password/change',
    auth: 'user',
    firstParty: true,
    limit: 'sensitive',
    stepUp: FRESH_SIGN_IN,
    summary: 'Change your password',
    description:
      'All your other sessions end. A wrong present password counts as a failed sign-in.',
    tags: TAG,
    operationId: 'changePassword',
    body: changeRequest,
    responses: { 204: null },
    errors: ['IDENT_INVALID_CREDENTIALS', ...CHOICE_ERRORS],
    handle: ({ actor, body, request }) =>
      service.change({
        ...body,
        userId: actor.userId,
        sessionId: actor.sessionId,
        clientId: actor.clientId,
        clientIp: request.clientIp,
      }),
  });

/** Passwords that people have forgotten, or want to change. */
export const passwordRoutes = (deps: PasswordRouteDeps): Route[] =>
  [forgot, verifyCode, reset, change].map((make) => make(deps));
