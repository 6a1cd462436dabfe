import { AppError } from '../../kernel/errors.ts';
import { type Route, reply, route } from '../../kernel/http/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { registered, registerRequest } from './schema.ts';
import type { SignUpService } from './service.ts';

export interface SignUpRouteDeps {
  signUp: Pick<SignUpService, 'register'>;
  tenants: Pick<TenantService, 'findByName'>;
}

/** Accounts that people make for themselves. */
export const signUpRoutes = (deps: SignUpRouteDeps): Route[] => [
  route({
    method: 'POST',
    path: '/auth/register',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Make an account for yourself, where the tenant allows it',
    description:
      'With one of e-mail address, phone number and username. The answer is the same for an ' +
      'address or number that has an account: its owner is told by mail.',
    tags: ['Auth'],
    operationId: 'register',
    body: registerRequest,
    responses: { 201: registered },
    errors: [
      'IDENT_FORBIDDEN',
      'IDENT_USERNAME_DUPLICATE',
      'IDENT_WEAK_PASSWORD',
      'IDENT_BREACHED_PASSWORD',
      'IDENT_HASH_BUSY',
    ],
    examples: {
      email: {
        tenant: 'lotus',
        email: 'an@lotus.example',
        password: 'a pass phrase of four words',
      },
    },
    async handle({ body: { tenant: name, ...fields }, request }) {
      const tenant = await deps.tenants.findByName(name);
      // Which tenants there are is told to nobody either.
      if (!tenant) {
        throw new AppError('IDENT_FORBIDDEN', { detail: 'Registration is not open here.' });
      }
      const done = await deps.signUp.register({ ...fields, tenantId: tenant.id }, request.clientIp);
      return reply(201, done);
    },
  }),
];
