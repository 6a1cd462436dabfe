import type { Knex } from 'knex';
import type { Tenant } from './schema.ts';
import { type TenantSettings, tenantSettings } from './settings.ts';

interface TenantRow {
  id: string;
  slug: string;
  name: string;
  is_platform: boolean;
  logo_url: string | null;
  colour: string | null;
  locale: string;
  settings: Record<string, unknown>;
}

const COLUMNS = [
  'id',
  'slug',
  'name',
  'is_platform',
  'logo_url',
  'colour',
  'locale',
  'settings',
] as const;

const toTenant = (row: TenantRow): Tenant => ({
  id: row.id,
  slug: row.slug,
  name: row.name,
  isPlatform: row.is_platform,
  logoUrl: row.logo_url,
  colour: row.colour,
  locale: row.locale,
  settings: tenantSettings.parse(row.settings),
});

export async function findTenant(
  knex: Knex,
  where: { id: string } | { slug: string } | { is_platform: true },
): Promise<Tenant | undefined> {
  const row = await knex<TenantRow>('tenants')
    .select(...COLUMNS)
    .where(where)
    .first();
  return row && toTenant(row);
}

export async function listTenants(knex: Knex): Promise<Tenant[]> {
  const rows = await knex<TenantRow>('tenants')
    .select(...COLUMNS)
    .orderBy('created_at');
  return rows.map(toTenant);
}

/** The tenant that has proved to own a mail domain. */
export async function findTenantByDomain(knex: Knex, domain: string): Promise<Tenant | undefined> {
  const row = await knex<TenantRow>('tenants')
    .join('tenant_domains', 'tenant_domains.tenant_id', 'tenants.id')
    .select(COLUMNS.map((column) => `tenants.${column}`))
    .where('tenant_domains.domain', domain)
    .whereNotNull('tenant_domains.verified_at')
    .first();
  return row && toTenant(row as unknown as TenantRow);
}

/** Inserts a tenant; a slug that exists violates the unique constraint. */
export async function insertTenant(knex: Knex, tenant: Tenant, now: Date): Promise<void> {
  await knex('tenants').insert({
    id: tenant.id,
    slug: tenant.slug,
    name: tenant.name,
    is_platform: tenant.isPlatform,
    logo_url: tenant.logoUrl,
    colour: tenant.colour,
    locale: tenant.locale,
    created_at: now,
    updated_at: now,
  });
}

/**
 * Writes the settings that are given and forgets those that are null.
 * @returns false when there is no such tenant
 */
export async function patchSettings(
  knex: Knex,
  tenantId: string,
  patch: { [K in keyof TenantSettings]?: TenantSettings[K] | null | undefined },
  now: Date,
): Promise<boolean> {
  const entries = Object.entries(patch).filter(([, value]) => value !== undefined);
  const set = Object.fromEntries(entries.filter(([, value]) => value !== null));
  const unset = entries.filter(([, value]) => value === null).map(([name]) => name);
  const { rowCount } = await knex.raw(
    'UPDATE tenants SET settings = (settings - ?::text[]) || ?::jsonb, updated_at = ? WHERE id = ?',
    [unset, JSON.stringify(set), now, tenantId],
  );
  return rowCount === 1;
}
