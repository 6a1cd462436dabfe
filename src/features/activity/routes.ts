import { type Route, route } from '../../kernel/http/index.ts';
import { activityPage, activityQuery } from './schema.ts';
import type { ActivityService } from './service.ts';

/** What happened to the account of the person who calls. */
export const activityRoutes = ({ activity }: { activity: ActivityService }): Route[] => [
  route({
    method: 'GET',
    path: '/me/activity',
    auth: 'user',
    firstParty: true,
    limit: 'default',
    summary: 'List what happened to your account',
    description:
      'Sign-ins with device and address, failed ones, ends of sessions, changes of password and factors: of the last 90 days, the newest first. Events appear within seconds.',
    tags: ['Me'],
    operationId: 'listMyActivity',
    query: activityQuery,
    responses: { 200: activityPage },
    errors: [],
    handle: ({ actor, query }) =>
      activity.list({ id: actor.userId, tenantId: actor.homeTenantId }, query),
  }),
];
