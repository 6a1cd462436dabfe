import { z } from 'zod';
import { authenticatorName } from '../mfa/index.ts';
import { sixDigits } from '../verification/index.ts';
import { tokenResponse } from './schema.ts';

const challengeId = z
  .string()
  .min(1)
  .max(2_048)
  .describe('From the answer `IDENT_MFA_REQUIRED`; good for five minutes');

/** What a browser answers, as JSON; what it shows is looked at where keys are known. */
const browserAnswer = z.looseObject({ id: z.string().max(2_048) });

export const mfaVerifyRequest = z
  .union([
    z.strictObject({
      challengeId,
      method: z.literal('webauthn'),
      response: browserAnswer.describe('`AuthenticationResponseJSON` (WebAuthn Level 3)'),
    }),
    z.strictObject({
      challengeId,
      method: z.enum(['totp', 'recovery-code', 'sms', 'email']),
      code: z.string().min(1).max(64),
    }),
  ])
  .meta({ id: 'MfaVerifyRequest' });

export const mfaChallenge = z.object({ challengeId }).meta({ id: 'MfaChallenge' });

export const mfaCodeRequest = z
  .object({ challengeId, method: z.enum(['sms', 'email']) })
  .meta({ id: 'MfaCodeRequest' });

export const mfaEnrollRequest = z
  .union([
    z.strictObject({
      challengeId,
      type: z.literal('totp'),
      id: z.uuid().describe('From `/auth/mfa/enroll/totp`'),
      code: sixDigits,
    }),
    z.strictObject({
      challengeId,
      type: z.literal('webauthn'),
      response: browserAnswer.describe('`RegistrationResponseJSON` (WebAuthn Level 3)'),
      name: authenticatorName.optional(),
    }),
  ])
  .meta({ id: 'MfaEnrollRequest' });

/** Options of a ceremony; browsers read them by `parse…OptionsFromJSON`. */
export const ceremonyOptions = z
  .looseObject({ challenge: z.string() })
  .meta({ id: 'WebAuthnOptions' });

export const mfaTotpEnrolment = z
  .object({
    id: z.uuid(),
    uri: z.string().describe('`otpauth://totp/…`, for a QR code'),
    secret: z.string().describe('The seed in base32, for people who type it'),
  })
  .meta({ id: 'MfaTotpEnrolment' });

export const mfaEnrolled = tokenResponse
  .extend({
    recoveryCodes: z
      .array(z.string())
      .describe('Told this once; empty where the person has some already'),
  })
  .meta({ id: 'MfaEnrolled' });
