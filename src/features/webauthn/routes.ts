import { z } from 'zod';
import { AppError } from '../../kernel/errors.ts';
import { FRESH_SIGN_IN, type Route, route, type UserActor } from '../../kernel/http/index.ts';
import { newAuthenticator, toAuthenticator } from '../authenticator/index.ts';
import { authenticatorName, type RecoveryCodesPort } from '../mfa/index.ts';
import type { SessionService } from '../session/index.ts';
import { describeUser, type UserService } from '../user/index.ts';
import { creationOptions, registrationAnswer } from './schema.ts';
import type { WebAuthnService } from './service.ts';

export interface WebAuthnRouteDeps {
  webauthn: Pick<WebAuthnService, 'registrationOptions' | 'register'>;
  recoveryCodes: Pick<RecoveryCodesPort, 'generateFirst'>;
  users: Pick<UserService, 'findAccount'>;
  sessions: Pick<SessionService, 'endAllOf'>;
}

const registration = z
  .object({
    name: authenticatorName
      .optional()
      .describe('Left out, it is called after whoever keeps it, or the device it was made on'),
    response: registrationAnswer,
    endOtherSessions: z
      .boolean()
      .default(false)
      .describe('Whether all your other sessions end with it'),
  })
  .meta({ id: 'PasskeyRegistration' });

const facts = {
  method: 'POST',
  auth: 'user',
  firstParty: true,
  limit: 'sensitive',
  stepUp: FRESH_SIGN_IN,
  tags: ['Me'],
} as const;

const refOf = ({ userId, homeTenantId }: UserActor) => ({ id: userId, tenantId: homeTenantId });

/** What is begun in one session is not ended in another. */
const bindingOf = ({ sessionId, userId }: UserActor): string => `session:${sessionId ?? userId}`;

const options = ({ webauthn, users }: WebAuthnRouteDeps): Route =>
  route({
    ...facts,
    path: '/me/mfa/webauthn/register/options',
    summary: 'Begin to make a passkey or register a security key',
    description: 'For `navigator.credentials.create`. At most five.',
    operationId: 'beginPasskeyRegistration',
    responses: { 200: creationOptions },
    errors: ['IDENT_WEBAUTHN_LIMIT'],
    async handle({ actor }) {
      const user = (await users.findAccount(actor.userId))?.user;
      if (!user) throw new AppError('IDENT_UNAUTHENTICATED');
      const { name: displayName, identifier: label } = describeUser(user);
      return webauthn.registrationOptions(
        { ...refOf(actor), label, displayName },
        bindingOf(actor),
      );
    },
  });

const register = (deps: WebAuthnRouteDeps): Route =>
  route({
    ...facts,
    path: '/me/mfa/webauthn/register',
    summary: 'Keep a passkey or security key',
    description:
      'It is a way to sign in by itself and a second factor. One that is registered already is IDENT_VALIDATION.',
    operationId: 'registerPasskey',
    body: registration,
    responses: { 200: newAuthenticator },
    errors: ['IDENT_WEBAUTHN_LIMIT', 'IDENT_TOKEN_SPENT', 'IDENT_NOT_FOUND'],
    async handle({ actor, body }) {
      const owner = refOf(actor);
      const answer = { name: body.name ?? '', response: body.response };
      const registered = await deps.webauthn.register(owner, bindingOf(actor), answer);
      if (body.endOtherSessions) {
        const except = actor.sessionId === null ? {} : { except: actor.sessionId };
        await deps.sessions.endAllOf(actor.userId, { reason: 'mfa_changed', ...except });
      }
      const recoveryCodes = await deps.recoveryCodes.generateFirst(owner);
      return {
        authenticator: toAuthenticator(registered),
        ...(recoveryCodes.length > 0 ? { recoveryCodes } : {}),
      };
    },
  });

/** Passkeys and security keys of the person who calls; the rest of /me/mfa is of all kinds alike. */
export const webAuthnRoutes = (deps: WebAuthnRouteDeps): Route[] => [options(deps), register(deps)];
