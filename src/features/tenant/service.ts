import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { createFreshCache } from '../../kernel/fresh-cache.ts';
import { isUuid, newId } from '../../kernel/ids.ts';
import {
  findTenant,
  findTenantByDomain,
  insertTenant,
  listTenants,
  patchSettings,
} from './repository.ts';
import { type NewTenant, newTenant, type Tenant, tenantSlug } from './schema.ts';
import { type TenantSettingsPatch, tenantSettings, tenantSettingsPatch } from './settings.ts';

export const PLATFORM_SLUG = 'platform';

/** How long, in milliseconds, a tenant read for a page may be stale. */
const CACHE_AGE = 1_000;
const CACHE_SIZE = 1_000;

export interface TenantService {
  /** The tenant that the platform itself is; made at the first call. */
  ensurePlatform(): Promise<Tenant>;
  /** @throws AppError IDENT_VALIDATION when the slug is taken */
  create(input: NewTenant): Promise<Tenant>;
  list(): Promise<Tenant[]>;
  find(id: string): Promise<Tenant | undefined>;
  /** By id or slug, as the `tenant` parameter and the organisation field give it. */
  findByName(name: string): Promise<Tenant | undefined>;
  /** By the verified domain of a mail address. */
  findByEmailDomain(email: string): Promise<Tenant | undefined>;
  /**
   * Changes settings; other processes follow within a second.
   * @returns the tenant as it is then
   * @throws AppError IDENT_NOT_FOUND, z.ZodError
   */
  updateSettings(tenantId: string, patch: TenantSettingsPatch): Promise<Tenant>;
}

/** The unique violation of a slug (Postgres 23505) as the error of the contract. */
function translateTaken(error: { code?: string }): never {
  if (error.code !== '23505') throw error;
  throw new AppError('IDENT_VALIDATION', {
    errors: [{ path: 'slug', message: 'is taken' }],
    cause: error,
  });
}

/** @param deps `knex` for reads and writes, `clock` for timestamps */
export function createTenantService({ knex, clock }: { knex: Knex; clock: Clock }): TenantService {
  const cache = createFreshCache<Tenant | undefined>({
    clock,
    maxAge: CACHE_AGE,
    maxEntries: CACHE_SIZE,
  });
  // By domain, also of those that are no tenant's, such as a mail provider's.
  const byDomain = createFreshCache<Tenant | undefined>({
    clock,
    maxAge: CACHE_AGE,
    maxEntries: CACHE_SIZE,
  });
  const find = async (id: string): Promise<Tenant | undefined> =>
    isUuid(id) ? cache.get(id, () => findTenant(knex, { id })) : undefined;

  async function insert(tenant: Tenant): Promise<Tenant> {
    await insertTenant(knex, tenant, new Date(clock.now()));
    return tenant;
  }

  return {
    find,
    list: () => listTenants(knex),
    async ensurePlatform() {
      const present = await findTenant(knex, { is_platform: true });
      if (present) return present;
      const tenant: Tenant = {
        id: newId(),
        slug: PLATFORM_SLUG,
        name: 'Gatehouse',
        isPlatform: true,
        logoUrl: null,
        colour: null,
        locale: 'en',
        settings: tenantSettings.parse({}),
      };
      // Replicas that start together race here; the unique index lets one win.
      return insert(tenant).catch(async (error: unknown) => {
        const winner = await findTenant(knex, { is_platform: true });
        if (!winner) throw error;
        return winner;
      });
    },
    create: (input) =>
      insert({
        ...newTenant.parse(input),
        id: newId(),
        isPlatform: false,
        settings: tenantSettings.parse({}),
      }).catch(translateTaken),
    async findByName(name) {
      const slug = tenantSlug.safeParse(name.trim().toLowerCase());
      if (slug.success && isUuid(slug.data)) return find(slug.data);
      return slug.success ? findTenant(knex, { slug: slug.data }) : undefined;
    },
    async updateSettings(tenantId, patch) {
      const changes = tenantSettingsPatch.parse(patch);
      const isThere =
        isUuid(tenantId) && (await patchSettings(knex, tenantId, changes, new Date(clock.now())));
      const tenant = isThere ? await findTenant(knex, { id: tenantId }) : undefined;
      if (!tenant) throw new AppError('IDENT_NOT_FOUND');
      cache.delete(tenantId);
      return tenant;
    },
    async findByEmailDomain(email) {
      const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
      return domain.length > 0 && domain.length <= 253
        ? byDomain.get(domain, () => findTenantByDomain(knex, domain))
        : undefined;
    },
  };
}
