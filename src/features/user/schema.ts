import { z } from 'zod';
import { isTimeZone } from './time-zone.ts';

export const userStatuses = ['pending_verification', 'active', 'suspended', 'deactivated'] as const;
export type UserStatus = (typeof userStatuses)[number];

/** What the database can hold: no NUL, no half of a surrogate pair. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

const personName = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .refine(isStorable, 'has characters of no name');

export const emailAddress = z.email().max(254);

export const phoneNumber = z
  .string()
  .regex(/^\+[1-9]\d{6,14}$/, 'must be E.164, such as +84901234567');

export const userName = z
  .string()
  .trim()
  .min(2)
  .max(64)
  .regex(/^[^\s@+][^\s@]*$/, 'must not contain spaces or @, nor start with +')
  .refine(isStorable, 'has characters of no name');

/** What people say of themselves, and may change whenever they like. */
export const profileFields = {
  name: personName,
  givenName: personName,
  familyName: personName,
  locale: z.enum(['en', 'vi']),
  zoneinfo: z.string().refine(isTimeZone, 'must be a time zone, such as Asia/Ho_Chi_Minh'),
};

/** Attributes as they come in; the schema of the tenant says more. */
export const attributes = z.record(z.string().max(64), z.json());
export type Attributes = z.output<typeof attributes>;

export const newUser = z
  .strictObject({
    tenantId: z.uuid(),
    email: emailAddress.optional(),
    phone: phoneNumber.optional(),
    username: userName.optional(),
    ...z.object(profileFields).partial().shape,
    roles: z.array(z.string().regex(/^[a-z_]{1,64}$/)).default([]),
    attributes: attributes.default({}),
    status: z.enum(['pending_verification', 'active']).default('active'),
    emailVerified: z.boolean().default(false),
  })
  .refine((user) => user.email || user.phone || user.username, {
    error: 'give at least one of email, phone and username',
    path: ['email'],
  });
export type NewUser = z.input<typeof newUser>;

/** A change of a profile: what is left out stays, null empties. */
export const profilePatch = z.strictObject({
  ...(Object.fromEntries(
    Object.entries(profileFields).map(([name, schema]) => [name, schema.nullable().optional()]),
  ) as unknown as {
    [K in keyof typeof profileFields]: z.ZodOptional<z.ZodNullable<(typeof profileFields)[K]>>;
  }),
  attributes: z
    .record(z.string().max(64), z.json())
    .optional()
    .describe('Members that are given are set, those that are null are taken away (RFC 7396)'),
});
export type ProfilePatch = z.output<typeof profilePatch>;

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

/** All that is kept of a user; sign-in and tokens need less. */
export interface Profile extends User {
  attributes: Attributes;
  /** Grows with every change; the ETag of the profile. */
  version: number;
  /** When the account was erased. */
  deactivatedAt: Date | null;
}

/** Whether a user in this state may hold sessions and tokens. */
export const mayHoldTokens = ({ status }: Pick<User, 'status'>): boolean =>
  status === 'active' || status === 'pending_verification';

/** What the person is called, and by what they signed in. */
export function describeUser(user: User): { name: string; identifier: string } {
  const identifier = user.email ?? user.username ?? user.phone ?? user.id;
  const fullName = [user.givenName, user.familyName].filter(Boolean).join(' ');
  return { name: user.name ?? (fullName || identifier), identifier };
}

/** What others know of a person, and so would try first as a password. */
export const wordsOf = (
  user: Partial<
    Record<
      'email' | 'phone' | 'username' | 'name' | 'givenName' | 'familyName',
      string | null | undefined
    >
  >,
): string[] =>
  [user.email, user.phone, user.username, user.name, user.givenName, user.familyName].filter(
    (word) => typeof word === 'string',
  );
