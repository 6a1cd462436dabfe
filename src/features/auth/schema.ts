import { z } from 'zod';
import { acrs } from '../mfa/index.ts';
import { userStatuses } from '../user/index.ts';
import { sixDigits } from '../verification/index.ts';
import { assertionAnswer, requestOptions } from '../webauthn/index.ts';

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

/** Longest identifier and password that are read, in characters: anything longer is a mistake. */
const LONGEST = { identifier: 320, password: 4_096, tenant: 255, token: 512 };

export const loginRequest = z
  .object({
    identifier: z
      .string()
      .min(1)
      .max(LONGEST.identifier)
      .describe('E-mail address, phone number or username'),
    password: z.string().min(1).max(LONGEST.password),
    tenant: z
      .string()
      .min(1)
      .max(LONGEST.tenant)
      .optional()
      .describe('Slug or id of the tenant to sign in to, where the person belongs to several'),
    acrValues: z
      .array(z.enum(acrs))
      .min(1)
      .max(acrs.length)
      .optional()
      .describe('What the sign-in must reach, any of these: as an API asks for it (RFC 9470)'),
  })
  .meta({ id: 'LoginRequest' });
export type LoginRequest = z.output<typeof loginRequest>;

const codeClaim = z.object({
  identifier: z.string().min(1).max(LONGEST.identifier).describe('E-mail address or phone number'),
  tenant: loginRequest.shape.tenant,
});
export const codeRequest = codeClaim.meta({ id: 'CodeRequest' });
export const codeSignIn = codeClaim
  .extend({ code: sixDigits, acrValues: loginRequest.shape.acrValues })
  .meta({ id: 'CodeSignIn' });

const ceremonyId = z.string().min(1).max(64);

export const passkeyOptions = z
  .object({
    ceremonyId: ceremonyId.describe('To be given back with the answer'),
    options: requestOptions,
  })
  .meta({ id: 'PasskeyOptions' });

export const passkeySignIn = z
  .object({
    ceremonyId,
    response: assertionAnswer,
    tenant: loginRequest.shape.tenant,
    acrValues: loginRequest.shape.acrValues,
  })
  .meta({ id: 'PasskeySignIn' });

export const refreshRequest = z
  .object({ refreshToken: z.string().min(1).max(LONGEST.token) })
  .meta({ id: 'RefreshRequest' });

/** One of one's own sessions, whichever way it began. */
export const ownSession = z
  .object({
    id: z.uuid(),
    current: z.boolean().describe('Whether the token of this request belongs to it'),
    createdAt: z.iso.datetime(),
    lastSeenAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().describe('When it ends if it is not used until then'),
    clientIp: z.string().nullable().describe('Address that it was last used from'),
    userAgent: z.string().nullable(),
    device: z.string().nullable().describe('In words, such as `Chrome on Windows`'),
    amr: z.array(z.string()).describe('How the person proved who they are (RFC 8176)'),
    clients: z
      .array(z.object({ clientId: z.string(), name: z.string().nullable() }))
      .describe('Applications signed in to'),
  })
  .meta({ id: 'OwnSession' });

export const ownSessions = z.object({ sessions: z.array(ownSession) }).meta({ id: 'OwnSessions' });
export type OwnSessions = z.input<typeof ownSessions>;
