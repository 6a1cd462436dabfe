import { z } from 'zod';
import { RECENT_SIGN_IN, type Route, route } from '../../kernel/http/index.ts';
import { loginRequest, ownSessions, refreshRequest, tokenResponse } from './schema.ts';
import type { AuthService } from './service.ts';

const TAG = ['Auth'] as const;

const login = (auth: AuthService): Route =>
  route({
    method: 'POST',
    path: '/auth/login',
    auth: 'none',
    limit: 'sensitive',
    summary: 'Sign in with a password',
    description:
      'Begins a session like one of the hosted pages. Whatever is wrong, the answer is the same. ' +
      '`IDENT_MFA_REQUIRED`: the password is right and more is needed; `/auth/mfa/*` goes on from ' +
      '`challengeId` by one of `methods`, or by setting up one of `enroll`.',
    tags: TAG,
    operationId: 'login',
    body: loginRequest,
    responses: { 200: tokenResponse },
    errors: ['IDENT_INVALID_CREDENTIALS', 'IDENT_LOCKED', 'IDENT_HASH_BUSY', 'IDENT_MFA_REQUIRED'],
    handle: ({ body, request }) => auth.login(body, request.clientIp),
  });

const refresh = (auth: AuthService): Route =>
  route({
    method: 'POST',
    path: '/auth/refresh',
    auth: 'none',
    limit: 'default',
    summary: 'Use a refresh token up for new tokens',
    description:
      'A second use of one token ends the session that it belongs to: somebody else may hold it.',
    tags: TAG,
    operationId: 'refresh',
    body: refreshRequest,
    responses: { 200: tokenResponse },
    errors: ['IDENT_UNAUTHENTICATED', 'IDENT_REFRESH_REPLAY'],
    handle: ({ body }) => auth.refresh(body.refreshToken),
  });

const logout = (auth: AuthService): Route =>
  route({
    method: 'POST',
    path: '/auth/logout',
    auth: 'user',
    firstParty: true,
    evenEnded: true,
    limit: 'default',
    summary: 'Sign out of the session of this token',
    description:
      'Ends its refresh and access tokens and tells the applications signed in to. Asked again while the token has not expired, it answers the same.',
    tags: TAG,
    operationId: 'logout',
    responses: { 204: null },
    errors: ['IDENT_INVALID_TRANSITION'],
    handle: ({ actor }) => auth.logout(actor),
  });

const logoutAll = (auth: AuthService): Route =>
  route({
    method: 'POST',
    path: '/auth/logout-all',
    auth: 'user',
    firstParty: true,
    limit: 'default',
    summary: 'Sign out everywhere',
    description: 'Ends all sessions, this one included, and all grants that were given.',
    tags: TAG,
    operationId: 'logoutAll',
    responses: { 204: null },
    errors: [],
    handle: ({ actor }) => auth.logoutAll(actor),
  });

const listSessions = (auth: AuthService): Route =>
  route({
    method: 'GET',
    path: '/me/sessions',
    auth: 'user',
    firstParty: true,
    limit: 'default',
    summary: 'List your own sessions, those of the hosted pages too',
    tags: ['Me'],
    operationId: 'listMySessions',
    responses: { 200: ownSessions },
    errors: [],
    handle: ({ actor }) => auth.listSessions(actor),
  });

const endSession = (auth: AuthService): Route =>
  route({
    method: 'DELETE',
    path: '/me/sessions/:id',
    auth: 'user',
    firstParty: true,
    limit: 'default',
    stepUp: RECENT_SIGN_IN,
    summary: 'End one of your own sessions',
    tags: ['Me'],
    operationId: 'endMySession',
    params: z.object({ id: z.uuid() }),
    responses: { 204: null },
    errors: ['IDENT_NOT_FOUND'],
    handle: ({ actor, params }) => auth.endSession(actor, params.id),
  });

/** Sign-in and sign-out of the first-party API, and one's own sessions. */
export const authRoutes = (auth: AuthService): Route[] =>
  [login, refresh, logout, logoutAll, listSessions, endSession].map((make) => make(auth));
