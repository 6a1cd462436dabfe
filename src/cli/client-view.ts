import type { ClientDetails, ClientMetadata } from '../features/client/index.ts';
import type { Tenant } from '../features/tenant/index.ts';
import type { Context } from './context.ts';
import { CliError } from './errors.ts';
import { details } from './output.ts';

/** A client for machines. */
export const toView = (client: ClientDetails) => ({
  clientId: client.clientId,
  tenantId: client.tenantId,
  isFirstParty: client.isFirstParty,
  isDisabled: client.isDisabled,
  version: client.version,
  previousSecretExpiresAt: client.previousSecretExpiresAt,
  createdAt: client.createdAt,
  updatedAt: client.updatedAt,
  metadata: client.metadata,
});

export const text = (value: unknown): string | null =>
  Array.isArray(value) ? value.join(' ') : value === undefined ? null : String(value);

export const authMethod = (metadata: ClientMetadata): string =>
  text(metadata.token_endpoint_auth_method) ?? 'client_secret_basic';

export const grants = (metadata: ClientMetadata): string =>
  text(metadata.grant_types) ?? 'authorization_code';

/** A client for people, with its secret where it has just been given one. */
export function describeClient(
  client: ClientDetails,
  tenant: Tenant,
  secret: string | null = null,
): string {
  const { metadata, previousSecretExpiresAt: previous } = client;
  const summary = details({
    client_id: client.clientId,
    tenant: tenant.slug,
    name: text(metadata.client_name),
    'first party': client.isFirstParty,
    ...(client.isDisabled ? { disabled: true } : {}),
    authentication: authMethod(metadata),
    grants: grants(metadata),
    redirects: text(metadata.redirect_uris),
    created: client.createdAt,
    ...(previous === null ? {} : { 'previous secret until': previous }),
  });
  return secret === null ? summary : `${summary}\n\nclient_secret (shown this once): ${secret}`;
}

/** Every member of a client's metadata, a line each. */
export const describeMetadata = ({ metadata }: ClientDetails): string =>
  details(
    Object.fromEntries(
      Object.entries(metadata)
        .filter(([name]) => name !== 'client_id')
        .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    ),
  );

/** Members that the engine does not know, or does not serve, and leaves aside (RFC 7591 2). */
export async function findIgnored(context: Context, client: ClientDetails): Promise<string[]> {
  const { provider } = (await context.deps()).engine.current();
  const effective = (await provider.Client.find(client.clientId))?.metadata();
  if (!effective) return [];
  return Object.keys(client.metadata).filter((name) => !Object.hasOwn(effective, name));
}

/** What to say of members that have no effect. */
export const warnOfIgnored = (ignored: readonly string[]): string[] =>
  ignored.map((name) => `Warning: ${name} is not known here and has no effect.`);

/** For a client that is not there: says so in words. */
export const orNoClient =
  (id: string, tenant: Tenant) =>
  (error: { code?: string }): never => {
    if (error.code !== 'IDENT_NOT_FOUND') throw error;
    throw new CliError(`There is no client ${JSON.stringify(id)} in tenant ${tenant.slug}.`, {
      advice: 'To see what there is: gatehouse clients list',
    });
  };
