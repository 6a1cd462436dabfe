import { z } from 'zod';

export const userStatuses = ['pending_verification', 'active', 'suspended', 'deactivated'] as const;
export type UserStatus = (typeof userStatuses)[number];

const personName = z.string().trim().min(1).max(200);

export const newUser = z
  .strictObject({
    tenantId: z.uuid(),
    email: z.email().max(254).optional(),
    phone: z
      .string()
      .regex(/^\+[1-9]\d{6,14}$/, 'must be E.164, such as +84901234567')
      .optional(),
    username: z
      .string()
      .trim()
      .min(2)
      .max(64)
      .regex(/^[^\s@+][^\s@]*$/, 'must not contain spaces or @, nor start with +')
      .optional(),
    name: personName.optional(),
    givenName: personName.optional(),
    familyName: personName.optional(),
    locale: z.enum(['en', 'vi']).optional(),
    zoneinfo: z.string().max(64).optional(),
    roles: z.array(z.string().regex(/^[a-z_]{1,64}$/)).default([]),
    status: z.enum(['pending_verification', 'active']).default('active'),
    emailVerified: z.boolean().default(false),
  })
  .refine((user) => user.email || user.phone || user.username, {
    error: 'give at least one of email, phone and username',
    path: ['email'],
  });
export type NewUser = z.input<typeof newUser>;

export interface User {
  id: string;
  tenantId: string;
  status: UserStatus;
  email: string | null;
  emailVerified: boolean;
  phone: string | null;
  phoneVerified: boolean;
  username: string | null;
  name: string | null;
  givenName: string | null;
  familyName: string | null;
  locale: string | null;
  zoneinfo: string | null;
  createdAt: Date;
  updatedAt: Date;
}

/** What the person is called, and by what they signed in. */
export function describeUser(user: User): { name: string; identifier: string } {
  const identifier = user.email ?? user.username ?? user.phone ?? user.id;
  const fullName = [user.givenName, user.familyName].filter(Boolean).join(' ');
  return { name: user.name ?? (fullName || identifier), identifier };
}
