import { z } from 'zod';
import { type Route, reply, route } from '../../kernel/http/index.ts';
import { connectedApplications } from './schema.ts';
import type { ConnectedApplicationService } from './service.ts';

export interface ConnectedApplicationRouteDeps {
  applications: ConnectedApplicationService;
  /** The language to answer in. */
  localeFor(acceptLanguage: string | undefined): string;
}

const TAG = ['Me'] as const;

/** The applications that the person who calls has allowed something. */
export const connectedApplicationRoutes = ({
  applications,
  localeFor,
}: ConnectedApplicationRouteDeps): Route[] => [
  route({
    method: 'GET',
    path: '/me/applications',
    auth: 'user',
    firstParty: true,
    limit: 'default',
    summary: 'List the applications that you have allowed something',
    description:
      'With what each may do, in words of the language that Accept-Language asks for. Sessions of this service itself are at /me/sessions.',
    tags: TAG,
    operationId: 'listMyApplications',
    headers: z.object({ 'accept-language': z.string().max(1_000).optional() }),
    responses: { 200: connectedApplications },
    errors: [],
    async handle({ actor, headers }) {
      const locale = localeFor(headers['accept-language']);
      const body = { applications: await applications.list(actor.userId, locale) };
      return reply(200, body, { 'content-language': locale });
    },
  }),
  route({
    method: 'DELETE',
    path: '/me/applications/:id',
    auth: 'user',
    firstParty: true,
    limit: 'default',
    summary: 'Take back all that you allow an application',
    description:
      'Ends its access and refresh tokens, those it keeps while you are away too, signs it out of your sessions and tells it. It has to ask for consent again, unless it is the operator’s own.',
    tags: TAG,
    operationId: 'revokeMyApplication',
    params: z.object({ id: z.string().min(1).max(400) }),
    responses: { 204: null },
    errors: ['IDENT_NOT_FOUND'],
    handle: ({ actor, params }) => applications.revoke(actor.userId, params.id),
  }),
];
