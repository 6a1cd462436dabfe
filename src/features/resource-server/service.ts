import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { createFreshCache } from '../../kernel/fresh-cache.ts';
import * as repository from './repository.ts';
import {
  audience as audienceSchema,
  type NewResourceServer,
  newResourceServer,
  type ResourceServer,
  type ResourceServerName,
  type ResourceServerUpdate,
  resourceServerUpdate,
} from './schema.ts';

/** How long, in milliseconds, a change may go unseen by a running process. */
const CACHE_AGE = 1_000;
const CACHE_SIZE = 1_000;

export interface ResourceServerService {
  /** An enabled one of any tenant, at most a second old; undefined where there is none. */
  find(audience: string): Promise<ResourceServer | undefined>;
  /** One of this tenant, disabled ones too. @throws AppError IDENT_NOT_FOUND */
  get(name: ResourceServerName): Promise<ResourceServer>;
  list(tenantId?: string): Promise<ResourceServer[]>;
  /** Names of all scopes that clients of this tenant may be registered for. */
  listScopeNames(tenantId: string): Promise<Set<string>>;
  /** @throws AppError IDENT_VALIDATION when the audience is taken or the issuer's own */
  create(input: NewResourceServer): Promise<ResourceServer>;
  /**
   * Changes what is given and keeps the rest. Tokens that are out stay as they are.
   * @throws AppError IDENT_NOT_FOUND, IDENT_STALE_VERSION when it has changed since
   */
  update(input: ResourceServerUpdate): Promise<ResourceServer>;
  /** From now on no token is issued for it. @throws AppError IDENT_NOT_FOUND */
  delete(name: ResourceServerName): Promise<void>;
}

const refuse = (message: string): AppError =>
  new AppError('IDENT_VALIDATION', { errors: [{ path: 'audience', message }] });

/** Members of a change that are there. */
const given = <T extends object>(change: T) =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };

/**
 * @param deps `issuer`: no resource server may pass for a part of it, as tokens
 *   for its own API and its endpoints are of its making alone
 */
export function createResourceServerService(deps: {
  knex: Knex;
  clock: Clock;
  issuer: string;
}): ResourceServerService {
  const { knex, clock } = deps;
  const { origin } = new URL(deps.issuer);
  const cache = createFreshCache<ResourceServer | undefined>({
    clock,
    maxAge: CACHE_AGE,
    maxEntries: CACHE_SIZE,
  });

  async function read(audience: string): Promise<ResourceServer | undefined> {
    const found = await repository.findResourceServer(knex, audience);
    return found && !found.isDisabled ? found : undefined;
  }

  async function get(name: ResourceServerName): Promise<ResourceServer> {
    const found = await repository.getResourceServer(knex, name);
    if (!found) throw new AppError('IDENT_NOT_FOUND');
    return found;
  }

  return {
    get,
    find: async (audience) =>
      audienceSchema.safeParse(audience).success
        ? cache.get(audience, () => read(audience))
        : undefined,
    list: (tenantId) => repository.listResourceServers(knex, tenantId),
    listScopeNames: async (tenantId) => new Set(await repository.listScopeNames(knex, tenantId)),
    async create(input) {
      const fields = newResourceServer.parse(input);
      if (new URL(fields.audience).origin === origin) throw refuse("is part of the issuer's own");
      const now = new Date(clock.now());
      const server: ResourceServer = {
        ...fields,
        isShared: false,
        isDisabled: false,
        version: 1,
        createdAt: now,
        updatedAt: now,
      };
      await repository.insertResourceServer(knex, server).catch((error: { code?: string }) => {
        throw error.code === '23505' ? refuse('is taken') : error;
      });
      cache.delete(server.audience);
      return get(server);
    },
    async update(input) {
      const { tenantId, audience, version, ...change } = resourceServerUpdate.parse(input);
      const before = await get({ tenantId, audience });
      const isStale = version !== undefined && version !== before.version;
      const after = { ...before, ...given(change), updatedAt: new Date(clock.now()) };
      if (isStale || !(await repository.replaceResourceServer(knex, after))) {
        throw new AppError('IDENT_STALE_VERSION');
      }
      cache.delete(audience);
      return { ...after, version: before.version + 1 };
    },
    async delete(name) {
      if (!(await repository.deleteResourceServer(knex, name))) {
        throw new AppError('IDENT_NOT_FOUND');
      }
      cache.delete(name.audience);
    },
  };
}
