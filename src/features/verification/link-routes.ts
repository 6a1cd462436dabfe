import { FRESH_SIGN_IN, languagesOf, type Route, route } from '../../kernel/http/index.ts';
import type { Address } from '../user/index.ts';
import type { LinkingService } from './linking.ts';
import * as schema from './schema.ts';

const TAG = ['Me'] as const;

const facts = {
  method: 'POST',
  auth: 'user',
  firstParty: true,
  limit: 'sensitive',
  stepUp: FRESH_SIGN_IN,
} as const;

const requestEmail = (linking: LinkingService): Route =>
  route({
    ...facts,
    path: '/me/link/email',
    summary: 'Send a code to an e-mail address that you want to have here',
    tags: TAG,
    operationId: 'linkMyEmail',
    body: schema.linkEmailRequest,
    responses: { 202: schema.codeRequested },
    errors: ['IDENT_LOCKED'],
    async handle({ actor, body, request }) {
      const address: Address = { scheme: 'email', value: body.email };
      await linking.request(actor.userId, address, languagesOf(request));
      return { status: 'accepted' as const };
    },
  });

const verifyEmail = (linking: LinkingService): Route =>
  route({
    ...facts,
    path: '/me/link/email/verify',
    summary: 'Take the e-mail address by the code that was sent to it',
    description: 'It takes the place of the one before, which is told of it.',
    tags: TAG,
    operationId: 'verifyMyEmail',
    body: schema.linkEmailProof,
    responses: { 204: null },
    errors: ['IDENT_TOKEN_SPENT', 'IDENT_LOCKED', 'IDENT_EMAIL_DUPLICATE'],
    handle: ({ actor, body }) =>
      linking.verify(actor.userId, { scheme: 'email', value: body.email }, body.code),
  });

const requestPhone = (linking: LinkingService): Route =>
  route({
    ...facts,
    path: '/me/link/phone',
    summary: 'Send a code to a phone number that you want to have here',
    tags: TAG,
    operationId: 'linkMyPhone',
    body: schema.linkPhoneRequest,
    responses: { 202: schema.codeRequested },
    errors: ['IDENT_LOCKED'],
    async handle({ actor, body, request }) {
      const address: Address = { scheme: 'phone', value: body.phone };
      await linking.request(actor.userId, address, languagesOf(request));
      return { status: 'accepted' as const };
    },
  });

const verifyPhone = (linking: LinkingService): Route =>
  route({
    ...facts,
    path: '/me/link/phone/verify',
    summary: 'Take the phone number by the code that was sent to it',
    description: 'It takes the place of the one before; your e-mail address is told of it.',
    tags: TAG,
    operationId: 'verifyMyPhone',
    body: schema.linkPhoneProof,
    responses: { 204: null },
    errors: ['IDENT_TOKEN_SPENT', 'IDENT_LOCKED', 'IDENT_PHONE_DUPLICATE'],
    handle: ({ actor, body }) =>
      linking.verify(actor.userId, { scheme: 'phone', value: body.phone }, body.code),
  });

/** One's own e-mail address and phone number. */
export const linkingRoutes = (linking: LinkingService): Route[] =>
  [requestEmail, verifyEmail, requestPhone, verifyPhone].map((make) => make(linking));
