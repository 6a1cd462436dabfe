import type { Command } from 'commander';
import { type MetadataOptions, readMetadata } from '../client-metadata.ts';
import {
  authMethod,
  describeClient,
  findIgnored,
  grants,
  orNoClient,
  text,
  toView,
  warnOfIgnored,
} from '../client-view.ts';
import { type AddCommands, collect, setAction } from '../command.ts';
import { table } from '../output.ts';
import { addClientChanges } from './client-changes.ts';

interface CreateOptions extends MetadataOptions {
  tenant: string;
  id?: string;
  firstParty?: boolean;
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
      notes: warnOfIgnored(ignored),
    };
  });
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
      client.isDisabled,
      authMethod(metadata),
      grants(metadata),
      client.createdAt,
    ]);
    return {
      json: { clients: found.map(toView) },
      text: table(
        [
          'CLIENT_ID',
          'NAME',
          'TENANT',
          'FIRST PARTY',
          'DISABLED',
          'AUTHENTICATION',
          'GRANTS',
          'CREATED',
        ],
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
    await clients.delete(tenant.id, id).catch(orNoClient(id, tenant));
    return {
      json: { deleted: id },
      text: `Deleted ${id}. APIs that verify tokens by themselves take those that are out until they expire.`,
    };
  });
}

/** `gatehouse clients create|list|delete`, and what changes one */
export const addClients: AddCommands = (program, setExitCode) => {
  const clients = program.command('clients').description('applications that use this provider');
  addList(clients, setExitCode);
  addCreate(clients, setExitCode);
  addDelete(clients, setExitCode);
  addClientChanges(clients, setExitCode);
};
