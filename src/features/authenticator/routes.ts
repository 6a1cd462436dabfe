import { AppError } from '../../kernel/errors.ts';
import { FRESH_SIGN_IN, type Route, route, type UserActor } from '../../kernel/http/index.ts';
import type { RecoveryCodesPort, TotpPort, UserRef } from '../mfa/index.ts';
import type { SessionService } from '../session/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { qrCode } from '../totp/index.ts';
import type { UserService } from '../user/index.ts';
import type { MfaReset } from './reset.ts';
import * as schema from './schema.ts';
import type { Authenticators } from './service.ts';

export interface AuthenticatorRouteDeps {
  authenticators: Authenticators;
  totp: Pick<TotpPort, 'enroll' | 'confirm'>;
  recoveryCodes: Pick<RecoveryCodesPort, 'generateFirst'>;
  users: Pick<UserService, 'findAccount'>;
  tenants: Pick<TenantService, 'find'>;
  sessions: Pick<SessionService, 'endAllOf'>;
  mfaReset: MfaReset;
}

const ownFacts = { auth: 'user', firstParty: true, tags: ['Me'] } as const;
const changeFacts = { ...ownFacts, limit: 'sensitive', stepUp: FRESH_SIGN_IN } as const;

const refOf = ({ userId, homeTenantId }: UserActor): UserRef => ({
  id: userId,
  tenantId: homeTenantId,
});

/** Signs out whoever else is signed in as this person, where that is asked for (ASVS 7.4.3). */
async function endOthers(
  { sessions }: Pick<AuthenticatorRouteDeps, 'sessions'>,
  { userId, sessionId }: UserActor,
  isAsked: boolean,
): Promise<void> {
  const except = sessionId === null ? {} : { except: sessionId };
  if (isAsked) await sessions.endAllOf(userId, { reason: 'mfa_changed', ...except });
}

/** What an app shows beside its codes. */
async function namesOf(deps: AuthenticatorRouteDeps, { userId, homeTenantId }: UserActor) {
  const user = (await deps.users.findAccount(userId))?.user;
  const tenant = await deps.tenants.find(homeTenantId);
  if (!user || !tenant) throw new AppError('IDENT_UNAUTHENTICATED');
  const label = user.email ?? user.username ?? user.phone ?? user.name ?? tenant.name;
  return { label, issuerName: tenant.name };
}

/** Setting up an authenticator app. */
const totpRoutes = (deps: AuthenticatorRouteDeps): Route[] => [
  route({
    ...changeFacts,
    method: 'POST',
    path: '/me/mfa/totp/enroll',
    summary: 'Begin to set up an authenticator app',
    description:
      'It counts once /me/mfa/totp/confirm has seen a code of it, within an hour; one that was ' +
      'begun before is forgotten. At most five.',
    operationId: 'enrollTotp',
    body: schema.totpRequest,
    responses: { 200: schema.totpEnrolment },
    errors: ['IDENT_NOT_FOUND'],
    async handle({ actor, body }) {
      const { label, issuerName } = await namesOf(deps, actor);
      const owner = { ...refOf(actor), label };
      const enrolment = await deps.totp.enroll(owner, { name: body.name, issuerName });
      return { ...enrolment, qr: await qrCode(enrolment.uri) };
    },
  }),
  route({
    ...changeFacts,
    method: 'POST',
    path: '/me/mfa/totp/confirm',
    summary: 'End setting up an authenticator app by a code that it shows',
    operationId: 'confirmTotp',
    body: schema.totpProof,
    responses: { 200: schema.newAuthenticator },
    errors: ['IDENT_TOKEN_SPENT', 'IDENT_NOT_FOUND'],
    async handle({ actor, body }) {
      const owner = refOf(actor);
      const confirmed = await deps.totp.confirm(owner, body.id, body.code);
      await endOthers(deps, actor, body.endOtherSessions);
      const recoveryCodes = await deps.recoveryCodes.generateFirst(owner);
      return {
        authenticator: schema.toAuthenticator(confirmed),
        ...(recoveryCodes.length > 0 ? { recoveryCodes } : {}),
      };
    },
  }),
];

/** What somebody has, and changes of it. */
const factorRoutes = (deps: AuthenticatorRouteDeps): Route[] => [
  route({
    ...ownFacts,
    limit: 'default',
    method: 'GET',
    path: '/me/mfa',
    summary: 'List your second factors',
    operationId: 'listMyFactors',
    responses: { 200: schema.factors },
    errors: [],
    async handle({ actor }) {
      const found = await deps.authenticators.describe(refOf(actor));
      const codes = found.recoveryCodes;
      return {
        authenticators: found.authenticators.map(schema.toAuthenticator),
        recoveryCodes: codes && { left: codes.left, createdAt: codes.createdAt.toISOString() },
        required: found.isRequired,
      };
    },
  }),
  route({
    ...ownFacts,
    limit: 'default',
    method: 'PATCH',
    path: '/me/mfa/:id',
    summary: 'Give an authenticator another name',
    operationId: 'renameMyAuthenticator',
    params: schema.which,
    body: schema.nameChange,
    responses: { 200: schema.authenticator },
    errors: ['IDENT_NOT_FOUND'],
    async handle({ actor, params, body }) {
      const renamed = await deps.authenticators.rename(refOf(actor), params.id, body.name);
      return schema.toAuthenticator(renamed);
    },
  }),
  route({
    ...changeFacts,
    method: 'DELETE',
    path: '/me/mfa/:id',
    summary: 'Take an authenticator away',
    description:
      'Recovery codes go with the last one. Where your tenant insists on a second factor, the ' +
      'last one stays: IDENT_INVALID_TRANSITION.',
    operationId: 'removeMyAuthenticator',
    params: schema.which,
    query: schema.removal,
    responses: { 204: null },
    errors: ['IDENT_NOT_FOUND', 'IDENT_INVALID_TRANSITION'],
    async handle({ actor, params, query }) {
      await deps.authenticators.remove(refOf(actor), params.id);
      await endOthers(deps, actor, query.endOtherSessions === 'true');
    },
  }),
  route({
    ...changeFacts,
    method: 'POST',
    path: '/me/mfa/recovery-codes',
    summary: 'Make ten new recovery codes',
    description:
      'Those before open nothing any more. Only beside an authenticator: without one they are ' +
      'IDENT_INVALID_TRANSITION.',
    operationId: 'generateMyRecoveryCodes',
    responses: { 200: schema.recoveryCodes },
    errors: ['IDENT_NOT_FOUND', 'IDENT_INVALID_TRANSITION'],
    handle: async ({ actor }) => ({
      codes: await deps.authenticators.generateRecoveryCodes(refOf(actor)),
    }),
  }),
];

/** What an operator's machines do for people who have lost what they proved themselves by. */
const resetRoute = ({ mfaReset }: AuthenticatorRouteDeps): Route =>
  route({
    method: 'POST',
    path: '/users/:id/reset-mfa',
    auth: 'client',
    scope: 'tenant:users:write',
    limit: 'default',
    summary: 'Take all second factors of a user away',
    description:
      'For service accounts of the same tenant (client_credentials), once it is certain who the ' +
      'person is: authenticators and recovery codes go, all sessions end, browsers are not ' +
      'remembered any more, and the person is told by mail.',
    tags: ['Users'],
    operationId: 'resetUserMfa',
    params: schema.which,
    responses: { 204: null },
    errors: ['IDENT_NOT_FOUND', 'IDENT_CROSS_TENANT'],
    async handle({ actor, params }) {
      if (actor.tenantId === null) throw new AppError('IDENT_CROSS_TENANT');
      await mfaReset.reset(actor.tenantId, params.id);
    },
  });

/** One's own second factors, and their reset by an administrator. */
export const authenticatorRoutes = (deps: AuthenticatorRouteDeps): Route[] => [
  ...totpRoutes(deps),
  ...factorRoutes(deps),
  resetRoute(deps),
];
