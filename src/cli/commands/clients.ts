import type { Command } from 'commander';
import type { ClientMetadata, StoredClient } from '../../features/client/index.ts';
import type { Tenant } from '../../features/tenant/index.ts';
import { type MetadataOptions, readMetadata } from '../client-metadata.ts';
import { type AddCommands, collect, setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { details, table } from '../output.ts';

interface CreateOptions extends MetadataOptions {
  tenant: string;
  id?: string;
  firstParty?: boolean;
}

/** A client for people and machines; its secret's hash stays inside. */
const toView = (client: StoredClient) => ({
  clientId: client.clientId,
  tenantId: client.tenantId,
  isFirstParty: client.isFirstParty,
  isDisabled: client.isDisabled,
  createdAt: client.createdAt,
  metadata: client.metadata,
});

const text = (value: unknown): string | null =>
  Array.isArray(value) ? value.join(' ') : value === undefined ? null : String(value);

const authMethod = (metadata: ClientMetadata): string =>
  text(metadata.token_endpoint_auth_method) ?? 'client_secret_basic';

const grants = (metadata: ClientMetadata): string =>
  text(metadata.grant_types) ?? 'authorization_code';

/** Members that the engine does not know, or does not serve, and leaves aside (RFC 7591 2). */
async function findIgnored(context: Context, client: StoredClient): Promise<string[]> {
  const { provider } = (await context.deps()).engine.current();
  const effective = (await provider.Client.find(client.clientId))?.metadata() ?? {};
  return Object.keys(client.metadata).filter((name) => !Object.hasOwn(effective, name));
}

function addCreate(clients: Command, setExitCode: (code: number) => void): void {
  const create = clients
    .command('create')
    .description('register a client; its secret, if it has one, is shown once')
    .requiredOption('--tenant <slug>', 'the tenant that owns it')
    .option('--id <id>', 'its client_id; default: a new UUID')
    .option('--first-party', 'belongs to the operator: people are not asked for consent')
    .option('--name <name>', 'client_name')
    .option('--redirect-uri <uri>', 'redirect_uris; may be repeated', collect)
    .option('--post-logout-redirect-uri <uri>', 'post_logout_redirect_uris; repeatable', collect)
    .option('--grant <type>', 'grant_types; may be repeated', collect)
    .option('--auth-method <method>', 'token_endpoint_auth_method')
    .option('--scope <scope>', 'the only scopes it may ask for; may be repeated', collect)
    .option('--set <name=value>', 'any other member; the value is JSON or text', collect)
    .option('--metadata <file>', 'a JSON object with members (RFC 7591); - is standard input');
  setAction<CreateOptions>(create, setExitCode, async (context, options) => {
    const metadata = await readMetadata(options);
    const tenant = await context.tenant(options.tenant);
    const { client, clientSecret } = await (await context.deps()).clients.create({
      tenantId: tenant.id,
      isFirstParty: options.firstParty ?? false,
      metadata,
      ...(options.id === undefined ? {} : { clientId: options.id }),
    });
    // One that the operator chose is known already.
    const generated = metadata.client_secret === undefined ? clientSecret : null;
    // The client is there: nothing after it may keep its secret from being shown.
    const ignored = await findIgnored(context, client).catch(() => []);
    return {
      json: { client: toView(client), clientSecret: generated, ignored },
      text: describeClient(client, tenant, generated),
      notes: ignored.map((name) => `Warning: ${name} is not known here and has no effect.`),
    };
  });
}

function describeClient(client: StoredClient, tenant: Tenant, secret: string | null): string {
  const { metadata } = client;
  const summary = details({
    client_id: client.clientId,
    tenant: tenant.slug,
    name: text(metadata.client_name),
    'first party': client.isFirstParty,
    authentication: authMethod(metadata),
    grants: grants(metadata),
    redirects: text(metadata.redirect_uris),
    created: client.createdAt,
  });
  return secret === null ? summary : `${summary}\n\nclient_secret (shown this once): ${secret}`;
}

function addList(clients: Command, setExitCode: (code: number) => void): void {
  const list = clients
    .command('list')
    .description('list the clients; --json gives their whole metadata')
    .option('--tenant <slug>', 'only those of this tenant');
  setAction<{ tenant?: string }>(list, setExitCode, async (context, options) => {
    const tenant = options.tenant === undefined ? undefined : await context.tenant(options.tenant);
    const found = await (await context.clients()).list(tenant?.id);
    const tenants = await (await context.tenants()).list();
    const slugs = new Map(tenants.map(({ id, slug }) => [id, slug]));
    const rows = found.map(({ metadata, ...client }) => [
      client.clientId,
      text(metadata.client_name),
      slugs.get(client.tenantId),
      client.isFirstParty,
      authMethod(metadata),
      grants(metadata),
      client.createdAt,
    ]);
    return {
      json: { clients: found.map(toView) },
      text: table(
        ['CLIENT_ID', 'NAME', 'TENANT', 'FIRST PARTY', 'AUTHENTICATION', 'GRANTS', 'CREATED'],
        rows,
      ),
    };
  });
}

function addDelete(clients: Command, setExitCode: (code: number) => void): void {
  const remove = clients
    .command('delete')
    .description('delete a client with its grants and refresh tokens')
    .argument('<id>', 'its client_id')
    .requiredOption('--tenant <slug>', 'the tenant that owns it');
  setAction<{ tenant: string }>(remove, setExitCode, async (context, options, [id = '']) => {
    const tenant = await context.tenant(options.tenant);
    const clients = await context.clients();
    await clients.delete(tenant.id, id).catch((error: { code?: string }) => {
      if (error.code !== 'IDENT_NOT_FOUND') throw error;
      throw new CliError(`There is no client ${JSON.stringify(id)} in tenant ${tenant.slug}.`, {
        advice: 'To see what there is: gatehouse clients list',
      });
    });
    const { ACCESS_TOKEN_TTL, SERVICE_TOKEN_TTL } = context.config;
    const seconds = Math.max(ACCESS_TOKEN_TTL, SERVICE_TOKEN_TTL);
    return {
      json: { deleted: id },
      text: `Deleted ${id}. Access tokens that it holds end within ${seconds} seconds.`,
    };
  });
}

/** `gatehouse clients create|list|delete` */
export const addClients: AddCommands = (program, setExitCode) => {
  const clients = program.command('clients').description('applications that use this provider');
  addList(clients, setExitCode);
  addCreate(clients, setExitCode);
  addDelete(clients, setExitCode);
};
