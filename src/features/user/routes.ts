import { z } from 'zod';
import { AppError } from '../../kernel/errors.ts';
import {
  entityTag,
  FRESH_SIGN_IN,
  type Route,
  readIfMatch,
  reply,
  route,
} from '../../kernel/http/index.ts';
import { type createDataExport, dataExport } from './data-export.ts';
import type { UserLifecycle } from './lifecycle-service.ts';
import { me, toMe } from './me.ts';
import { type Profile, profilePatch } from './schema.ts';
import type { UserService } from './service.ts';

export interface UserRouteDeps {
  users: Pick<UserService, 'findAccount' | 'findRoles' | 'update'>;
  lifecycle: Pick<UserLifecycle, 'erase'>;
  exportData: ReturnType<typeof createDataExport>;
}

interface Caller {
  userId: string;
  tenantId: string | null;
}

function createShow(deps: UserRouteDeps) {
  /** The profile of the caller. @throws AppError when the token outlived its user by a moment */
  async function find({ userId }: Caller): Promise<{ user: Profile; tenantIds: string[] }> {
    const account = await deps.users.findAccount(userId);
    if (!account) throw new AppError('IDENT_UNAUTHENTICATED');
    return account;
  }
  async function show(actor: Caller, { user, tenantIds }: { user: Profile; tenantIds: string[] }) {
    const roles = await deps.users.findRoles(actor.tenantId ?? user.tenantId, user.id);
    const body = toMe(user, { tenantIds, actingTenantId: actor.tenantId, roles });
    return reply(200, body, { etag: entityTag(user.version) });
  }
  return { find, show };
}

/** Routes about the profile of the person who calls. */
function profileRoutes(deps: UserRouteDeps): Route[] {
  const { find, show } = createShow(deps);
  return [
    route({
      method: 'GET',
      path: '/me',
      auth: 'user',
      limit: 'default',
      summary: 'Read your own profile',
      description: 'The ETag names its version, for a change that must not overwrite another.',
      tags: ['Me'],
      operationId: 'getMe',
      responses: { 200: me },
      errors: [],
      handle: async ({ actor }) => show(actor, await find(actor)),
    }),
    route({
      method: 'PATCH',
      path: '/me',
      auth: 'user',
      limit: 'default',
      summary: 'Change your own profile',
      description:
        'What is left out stays, null empties. Addresses, numbers and what was verified are ' +
        'changed by /me/link/email and its like.',
      tags: ['Me'],
      operationId: 'updateMe',
      firstParty: true,
      headers: z.object({
        'if-match': z
          .string()
          .max(200)
          .optional()
          .describe('The ETag that was read: the change is made only if nothing changed since'),
      }),
      body: profilePatch.meta({ id: 'MePatch' }),
      responses: { 200: me },
      errors: ['IDENT_STALE_VERSION', 'IDENT_INVALID_TRANSITION', 'IDENT_NOT_FOUND'],
      async handle({ actor, body, headers }) {
        const { user, tenantIds } = await find(actor);
        const expectedVersion = readIfMatch(headers['if-match'], user.version);
        const target = { tenantId: user.tenantId, userId: user.id, expectedVersion };
        const changed = await deps.users.update(target, body, 'self');
        return show(actor, { user: changed, tenantIds });
      },
    }),
  ];
}

/** Routes about all that is kept of the person who calls. */
function dataRoutes(deps: UserRouteDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/me/export',
      auth: 'user',
      limit: 'sensitive',
      summary: 'Get a copy of all data about you',
      tags: ['Me'],
      operationId: 'exportMe',
      firstParty: true,
      responses: { 200: dataExport },
      errors: [],
      async handle({ actor }) {
        const copy = await deps.exportData(actor.userId, actor.tenantId);
        if (!copy) throw new AppError('IDENT_UNAUTHENTICATED');
        return reply(200, copy, {
          'content-disposition': 'attachment; filename="account-data.json"',
        });
      },
    }),
    route({
      method: 'DELETE',
      path: '/me',
      auth: 'user',
      limit: 'sensitive',
      summary: 'Delete your account for good',
      description:
        'Erases all that is kept of you; sessions and tokens end at once. A mail confirms it to ' +
        'the address that was verified.',
      tags: ['Me'],
      operationId: 'deleteMe',
      firstParty: true,
      stepUp: FRESH_SIGN_IN,
      responses: { 204: null },
      errors: ['IDENT_NOT_FOUND', 'IDENT_INVALID_TRANSITION'],
      async handle({ actor }) {
        const { user } = await createShow(deps).find(actor);
        await deps.lifecycle.erase({ tenantId: user.tenantId, userId: user.id });
      },
    }),
  ];
}

/** Routes about the person who calls. */
export const userRoutes = (deps: UserRouteDeps): Route[] => [
  ...profileRoutes(deps),
  ...dataRoutes(deps),
];
