import { z } from 'zod';
import { attributeSchema } from './attribute-schema.ts';

/**
 * What a tenant decides for itself. Only what differs from the default is
 * stored, so that a better default reaches everyone who never chose. What a
 * newer release stored and this one does not know is passed over.
 */
export const tenantSettings = z
  .object({
    selfRegistration: z
      .boolean()
      .default(false)
      .describe('Whether people may make accounts for themselves'),
    requireVerifiedEmail: z
      .boolean()
      .default(true)
      .describe(
        'Whether people must prove the address or number they registered with before they sign in. ' +
          'Without it, signing in tells whether a registration made an account (ASVS 6.3.8)',
      ),
    userAttributes: attributeSchema
      .default({ type: 'object', properties: {} })
      .describe('Which attributes users have: a JSON Schema without patterns and references'),
    emailCodeSignIn: z
      .boolean()
      .default(false)
      .describe('Whether a code sent by mail signs people in'),
    smsCodeSignIn: z
      .boolean()
      .default(false)
      .describe('Whether a code sent by SMS signs people in'),
    passwordMinLength: z
      .int()
      .min(8)
      .max(64)
      .default(8)
      .describe('Shortest password, in characters; 15 where it is the only factor (SP 800-63B-4)'),
    mfaRequired: z
      .boolean()
      .default(false)
      .describe('Whether everybody needs a second factor to sign in'),
    mfaGraceDays: z
      .int()
      .min(0)
      .max(90)
      .default(0)
      .describe('Days that people may put off setting up a second factor that is required'),
    mfaRememberDays: z
      .int()
      .min(0)
      .max(90)
      .default(0)
      .describe('Days that a browser may be remembered to have proved a second factor; 0: never'),
    mfaEmailCode: z
      .boolean()
      .default(false)
      .describe('Whether a code sent by mail is a second factor; a weak one (ASVS 6.3.6)'),
    mfaSmsCode: z
      .boolean()
      .default(false)
      .describe('Whether a code sent by SMS is a second factor; restricted by SP 800-63B-4'),
    newSignInNotice: z
      .boolean()
      .default(true)
      .describe('Whether people are told by mail of a sign-in from a browser not seen before'),
  })
  .meta({ id: 'TenantSettings' });

export type TenantSettings = z.output<typeof tenantSettings>;

/** A change of settings: what is left out stays; `null` goes back to the default. */
export const tenantSettingsPatch = z.strictObject(
  Object.fromEntries(
    Object.entries(tenantSettings.shape).map(([name, schema]) => [
      name,
      schema.unwrap().nullable().optional(),
    ]),
  ) as unknown as {
    [K in keyof TenantSettings]: z.ZodOptional<z.ZodNullable<z.ZodType<TenantSettings[K]>>>;
  },
);
export type TenantSettingsPatch = z.input<typeof tenantSettingsPatch>;
