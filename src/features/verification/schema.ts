import { z } from 'zod';
import { emailAddress, phoneNumber } from '../user/index.ts';

export const sixDigits = z.string().regex(/^\d{6}$/, 'must be six digits');

export const tenantName = z
  .string()
  .min(1)
  .max(255)
  .optional()
  .describe('Slug or id of the tenant, where the address belongs to users of several');

const linkToken = z.string().min(1).max(100);

export const verifyEmailRequest = z
  .union([
    z.strictObject({ token: linkToken.describe('From the link in the mail; 24 hours') }),
    z.strictObject({ email: emailAddress, code: sixDigits, tenant: tenantName }),
  ])
  .meta({ id: 'VerifyEmailRequest' });

export const verifyPhoneRequest = z
  .object({ phone: phoneNumber, code: sixDigits, tenant: tenantName })
  .meta({ id: 'VerifyPhoneRequest' });

export const emailClaim = z
  .object({ email: emailAddress, tenant: tenantName })
  .meta({ id: 'EmailClaim' });

export const phoneClaim = z
  .object({ phone: phoneNumber, tenant: tenantName })
  .meta({ id: 'PhoneClaim' });

export const linkEmailRequest = z.object({ email: emailAddress }).meta({ id: 'LinkEmailRequest' });
export const linkPhoneRequest = z.object({ phone: phoneNumber }).meta({ id: 'LinkPhoneRequest' });

export const linkEmailProof = z
  .object({ email: emailAddress, code: sixDigits })
  .meta({ id: 'LinkEmailProof' });
export const linkPhoneProof = z
  .object({ phone: phoneNumber, code: sixDigits })
  .meta({ id: 'LinkPhoneProof' });

/** What every request for a code answers, whoever has the address. */
export const codeRequested = z
  .object({ status: z.literal('accepted') })
  .meta({ id: 'CodeRequested' });
