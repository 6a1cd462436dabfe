import { z } from 'zod';
import { attributes, type Profile, userStatuses } from './schema.ts';

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
    attributes: attributes.describe('As the home tenant has defined them'),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Me' });

export const toMe = (
  user: Profile,
  extra: { tenantIds: string[]; actingTenantId: string | null; roles: string[] },
): z.input<typeof me> => ({
  ...user,
  ...extra,
  createdAt: user.createdAt.toISOString(),
  updatedAt: user.updatedAt.toISOString(),
});
