import type { Knex } from 'knex';
import type { ResourceServer, ResourceServerName } from './schema.ts';

interface ResourceServerRow {
  audience: string;
  tenant_id: string;
  name: string;
  scopes: ResourceServer['scopes'];
  access_token_ttl: number | null;
  signing_alg: ResourceServer['signingAlg'];
  format: ResourceServer['format'];
  is_platform: boolean;
  is_disabled: boolean;
  version: number;
  created_at: Date;
  updated_at: Date;
}

const toResourceServer = (row: ResourceServerRow): ResourceServer => ({
  audience: row.audience,
  tenantId: row.tenant_id,
  name: row.name,
  scopes: row.scopes,
  accessTokenTtl: row.access_token_ttl,
  signingAlg: row.signing_alg,
  format: row.format,
  isShared: row.is_platform,
  isDisabled: row.is_disabled,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const select = (knex: Knex) =>
  knex('resource_servers AS r')
    .join('tenants AS t', 't.id', 'r.tenant_id')
    .select<ResourceServerRow[]>('r.*', 't.is_platform');

/** A resource server of any tenant: its audience is what a request names. */
export async function findResourceServer(
  knex: Knex,
  audience: string,
): Promise<ResourceServer | undefined> {
  const [row] = await select(knex).where({ 'r.audience': audience });
  return row && toResourceServer(row);
}

export async function getResourceServer(
  knex: Knex,
  { tenantId, audience }: ResourceServerName,
): Promise<ResourceServer | undefined> {
  const [row] = await select(knex).where({ 'r.audience': audience, 'r.tenant_id': tenantId });
  return row && toResourceServer(row);
}

export async function listResourceServers(
  knex: Knex,
  tenantId?: string,
): Promise<ResourceServer[]> {
  const rows = await select(knex)
    .modify((query) => {
      if (tenantId) query.where({ 'r.tenant_id': tenantId });
    })
    .orderBy(['r.created_at', 'r.audience']);
  return rows.map(toResourceServer);
}

/** Names of all scopes that clients of a tenant may be registered for. */
export async function listScopeNames(knex: Knex, tenantId: string): Promise<string[]> {
  const { rows } = await knex.raw<{ rows: { name: string }[] }>(
    `SELECT DISTINCT scope->>'name' AS name
     FROM resource_servers r JOIN tenants t ON t.id = r.tenant_id,
       jsonb_array_elements(r.scopes) scope
     WHERE r.tenant_id = ? OR t.is_platform`,
    [tenantId],
  );
  return rows.map(({ name }) => name);
}

const toColumns = (server: ResourceServer) => ({
  name: server.name,
  scopes: JSON.stringify(server.scopes),
  access_token_ttl: server.accessTokenTtl,
  signing_alg: server.signingAlg,
  format: server.format,
  is_disabled: server.isDisabled,
  updated_at: server.updatedAt,
});

/** Inserts one; an audience that exists violates the primary key. */
export async function insertResourceServer(knex: Knex, server: ResourceServer): Promise<void> {
  await knex('resource_servers').insert({
    audience: server.audience,
    tenant_id: server.tenantId,
    created_at: server.createdAt,
    ...toColumns(server),
  });
}

/** Writes it whole, unless it has changed since it was read. @returns whether it was written */
export async function replaceResourceServer(knex: Knex, server: ResourceServer): Promise<boolean> {
  const { audience, tenantId, version } = server;
  const updated = await knex('resource_servers')
    .where({ audience, tenant_id: tenantId, version })
    .update({ ...toColumns(server), version: version + 1 });
  return updated > 0;
}

/** @returns whether there was such a resource server in the tenant */
export async function deleteResourceServer(
  knex: Knex,
  { tenantId, audience }: ResourceServerName,
): Promise<boolean> {
  return (await knex('resource_servers').where({ audience, tenant_id: tenantId }).delete()) > 0;
}
