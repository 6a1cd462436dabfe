import { z } from 'zod';
import { AppError } from '../../kernel/errors.ts';
import { type Route, route } from '../../kernel/http/index.ts';
import { type User, userStatuses } from './schema.ts';
import type { UserService } from './service.ts';

/** One's own profile as the API shows it. */
export const me = z
  .object({
    id: z.uuid(),
    tenantId: z.uuid().describe('The home tenant'),
    tenantIds: z.array(z.uuid()).describe('Every tenant that the user belongs to'),
    actingTenantId: z.uuid().nullable().describe('The tenant that the token acts in'),
    status: z.enum(userStatuses),
    roles: z.array(z.string()).describe('Roles in the acting tenant'),
    email: z.string().nullable(),
    emailVerified: z.boolean(),
    phone: z.string().nullable(),
    phoneVerified: z.boolean(),
    username: z.string().nullable(),
    name: z.string().nullable(),
    givenName: z.string().nullable(),
    familyName: z.string().nullable(),
    locale: z.string().nullable(),
    zoneinfo: z.string().nullable(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Me' });

const toMe = (
  user: User,
  extra: { tenantIds: string[]; actingTenantId: string | null; roles: string[] },
): z.input<typeof me> => ({
  ...user,
  ...extra,
  createdAt: user.createdAt.toISOString(),
  updatedAt: user.updatedAt.toISOString(),
});

/** Routes about the person who calls. */
export function userRoutes(users: Pick<UserService, 'findAccount' | 'findRoles'>): Route[] {
  return [
    route({
      method: 'GET',
      path: '/me',
      auth: 'user',
      limit: 'default',
      summary: 'Read your own profile',
      tags: ['Me'],
      operationId: 'getMe',
      responses: { 200: me },
      errors: [],
      async handle({ actor }) {
        const account = await users.findAccount(actor.userId);
        // The token outlived its user by a moment.
        if (!account) throw new AppError('IDENT_UNAUTHENTICATED');
        const { user, tenantIds } = account;
        const roles = await users.findRoles(actor.tenantId ?? user.tenantId, user.id);
        return toMe(user, { tenantIds, actingTenantId: actor.tenantId, roles });
      },
    }),
  ];
}
