import { z } from 'zod';
import { AppError } from '../../kernel/errors.ts';
import { type Route, route } from '../../kernel/http/index.ts';
import type { Unlocking } from './lockout.ts';

/** What an operator's machines do about sign-ins of a tenant's users. */
export const signInRoutes = (unlocking: Pick<Unlocking, 'unlock'>): Route[] => [
  route({
    method: 'POST',
    path: '/users/:id/unlock',
    auth: 'client',
    scope: 'tenant:users:write',
    limit: 'default',
    summary: 'Open an account that failed sign-ins have closed',
    description:
      'For service accounts of the same tenant (client_credentials). Nothing happens where it was open.',
    tags: ['Users'],
    operationId: 'unlockUser',
    params: z.object({ id: z.uuid() }),
    responses: { 204: null },
    errors: ['IDENT_NOT_FOUND', 'IDENT_CROSS_TENANT'],
    async handle({ actor, params }) {
      if (actor.tenantId === null) throw new AppError('IDENT_CROSS_TENANT');
      await unlocking.unlock(actor.tenantId, params.id);
    },
  }),
];
