import { z } from 'zod';
import { userStatuses } from '../user/index.ts';

/** What every first-party sign-in answers, whichever way the person proved who they are. */
export const tokenResponse = z
  .object({
    accessToken: z.string().describe('JWT (RFC 9068)'),
    refreshToken: z.string().describe('Good for one use'),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().describe('Seconds that the access token lives'),
    user: z.object({
      id: z.uuid(),
      tenantId: z.uuid().describe('The home tenant'),
      status: z.enum(userStatuses),
      email: z.string().nullable(),
      emailVerified: z.boolean(),
      phone: z.string().nullable(),
      phoneVerified: z.boolean(),
      username: z.string().nullable(),
      name: z.string().nullable(),
      locale: z.string().nullable(),
    }),
  })
  .meta({ id: 'TokenResponse' });
export type TokenResponse = z.input<typeof tokenResponse>;
