import { z } from 'zod';
import { type Authenticator, authenticatorName, authenticatorTypes } from '../mfa/index.ts';
import { sixDigits } from '../verification/index.ts';

/** An authenticator as its owner sees it in the API. */
export const authenticator = z
  .object({
    id: z.uuid(),
    type: z.enum(authenticatorTypes),
    name: z.string(),
    createdAt: z.iso.datetime(),
    lastUsedAt: z.iso.datetime().nullable(),
    backedUp: z
      .boolean()
      .optional()
      .describe('Of passkeys: whether a provider keeps it, so that it reaches other devices'),
    disabled: z
      .boolean()
      .optional()
      .describe('Of passkeys: it may have been cloned and opens nothing any more'),
  })
  .meta({ id: 'Authenticator' });

/** In the words of the API. */
export const toAuthenticator = (one: Authenticator): z.input<typeof authenticator> => ({
  id: one.id,
  type: one.type,
  name: one.name,
  createdAt: one.createdAt.toISOString(),
  lastUsedAt: one.lastUsedAt?.toISOString() ?? null,
  ...(one.isBackedUp === undefined ? {} : { backedUp: one.isBackedUp }),
  ...(one.isDisabled === undefined ? {} : { disabled: one.isDisabled }),
});

const codes = z.array(z.string());

/** What follows from a new authenticator: recovery codes, where it is the first. */
export const newAuthenticator = z
  .object({
    authenticator,
    recoveryCodes: codes.optional().describe('With the first one only; they are not shown again'),
  })
  .meta({ id: 'NewAuthenticator' });

/** Whether whoever else is signed in as this person is signed out with a change (ASVS 7.4.3). */
const endOtherSessions = 'Whether all your other sessions end with it';

export const factors = z
  .object({
    authenticators: z.array(authenticator).describe('The oldest first'),
    recoveryCodes: z
      .object({ left: z.int(), createdAt: z.iso.datetime() })
      .nullable()
      .describe('How many are still good; null where none were ever made'),
    required: z.boolean().describe('Whether your tenant insists on a second factor'),
  })
  .meta({ id: 'Factors' });

export const totpRequest = z
  .object({ name: authenticatorName.default('Authenticator app') })
  .meta({ id: 'TotpRequest' });

export const totpEnrolment = z
  .object({
    id: z.uuid(),
    uri: z.string().describe('`otpauth://totp/…`, as authenticator apps take it'),
    secret: z.string().describe('The seed in base32, for typing'),
    qr: z.string().describe('The URI as a QR code: an SVG document'),
  })
  .meta({ id: 'TotpEnrolment' });

export const totpProof = z
  .object({
    id: z.uuid(),
    code: sixDigits,
    endOtherSessions: z.boolean().default(false).describe(endOtherSessions),
  })
  .meta({ id: 'TotpProof' });

export const nameChange = z.object({ name: authenticatorName }).meta({ id: 'AuthenticatorPatch' });

export const removal = z.object({
  endOtherSessions: z.enum(['true', 'false']).default('false').describe(endOtherSessions),
});

export const recoveryCodes = z
  .object({ codes: codes.describe('Each opens once; they are not shown again') })
  .meta({ id: 'RecoveryCodes' });

export const which = z.object({ id: z.uuid() });
