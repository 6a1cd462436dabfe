import { z } from 'zod';
import {
  attributes,
  emailAddress,
  phoneNumber,
  profileFields,
  userName,
  userStatuses,
} from '../user/index.ts';

const IDENTIFIERS = ['email', 'phone', 'username'] as const;

/** What people say of themselves when they register. */
export const registrationFields = z.strictObject({
  email: emailAddress.optional(),
  phone: phoneNumber.optional(),
  username: userName.optional(),
  password: z.string().min(1).max(1_024),
  ...z.object(profileFields).partial().shape,
  attributes: attributes.default({}),
});

/**
 * One identifier and no more: a second one that is free or taken would tell whether
 * the first made an account (ASVS 6.3.8).
 */
const hasOneIdentifier = (given: { [K in (typeof IDENTIFIERS)[number]]?: unknown }): boolean =>
  IDENTIFIERS.filter((name) => given[name] !== undefined).length === 1;

const ONE_IDENTIFIER = { error: 'give one of email, phone and username', path: ['email'] };

/** A registration as the service takes it. */
export const registration = registrationFields
  .extend({ tenantId: z.uuid() })
  .refine(hasOneIdentifier, ONE_IDENTIFIER);
export type Registration = z.input<typeof registration>;

export const registerRequest = registrationFields
  .extend({ tenant: z.string().min(1).max(64).describe('Short name or id of the tenant') })
  .refine(hasOneIdentifier, ONE_IDENTIFIER)
  .meta({ id: 'RegisterRequest' });

export const registered = z
  .object({
    status: z
      .enum(userStatuses)
      .extract(['pending_verification', 'active'])
      .describe('`pending_verification` whether the address or number had an account or not'),
  })
  .meta({ id: 'Registered' });
