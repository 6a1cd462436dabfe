import type { Command } from 'commander';
import { type MetadataOptions, readMetadata } from '../client-metadata.ts';
import {
  describeClient,
  describeMetadata,
  findIgnored,
  orNoClient,
  toView,
  warnOfIgnored,
} from '../client-view.ts';
import { collect, setAction } from '../command.ts';
import { CliError, EXIT } from '../errors.ts';
import { span } from '../output.ts';

interface Named {
  tenant: string;
}

type SetExitCode = (code: number) => void;

/** A command about one client of one tenant. */
const oneClient = (clients: Command, name: string, description: string): Command =>
  clients
    .command(name)
    .description(description)
    .argument('<id>', 'its client_id')
    .requiredOption('--tenant <slug>', 'the tenant that owns it');

function addShow(clients: Command, setExitCode: SetExitCode): void {
  const show = oneClient(clients, 'show', 'show a client with all its metadata, never its secret');
  setAction<Named>(show, setExitCode, async (context, options, [id = '']) => {
    const tenant = await context.tenant(options.tenant);
    const name = { tenantId: tenant.id, clientId: id };
    const client = await (await context.clients()).get(name).catch(orNoClient(id, tenant));
    return {
      json: { client: toView(client) },
      text: `${describeClient(client, tenant)}\n\n${describeMetadata(client)}`,
    };
  });
}

interface UpdateOptions extends Named, MetadataOptions {
  unset?: string[];
  replace?: boolean;
  firstParty?: boolean;
}

/** The changes that the options ask for; a member that is unset is null (RFC 7396). */
async function readChanges({ unset = [], replace, firstParty, ...options }: UpdateOptions) {
  const given = await readMetadata(options, { isWhole: replace ?? false });
  const metadata = { ...given, ...Object.fromEntries(unset.map((name) => [name, null])) };
  if (Object.keys(metadata).length === 0 && firstParty === undefined && !replace) {
    throw new CliError('Nothing to change was given.', {
      advice: 'Name a member, such as --set access_token_ttl=300; see: gatehouse clients update -h',
      exitCode: EXIT.usage,
    });
  }
  return {
    metadata,
    isReplacement: replace ?? false,
    ...(firstParty === undefined ? {} : { isFirstParty: firstParty }),
  };
}

function addUpdate(clients: Command, setExitCode: SetExitCode): void {
  const update = oneClient(clients, 'update', 'change metadata of a client; the rest stays')
    .option('--first-party', 'belongs to the operator: people are not asked for consent')
    .option('--no-first-party', 'people are asked for consent')
    .option('--name <name>', 'client_name')
    .option('--redirect-uri <uri>', 'redirect_uris, all of them; repeatable', collect)
    .option('--post-logout-redirect-uri <uri>', 'post_logout_redirect_uris; repeatable', collect)
    .option('--grant <type>', 'grant_types, all of them; repeatable', collect)
    .option('--auth-method <method>', 'token_endpoint_auth_method')
    .option('--scope <scope>', 'the only scopes it may ask for; repeatable', collect)
    .option('--set <name=value>', 'any other member; the value is JSON or text', collect)
    .option('--unset <name>', 'takes a member away; repeatable', collect)
    .option('--metadata <file>', 'a JSON object with members (RFC 7591); - is standard input')
    .option('--replace', 'the metadata given are all that there shall be');
  setAction<UpdateOptions>(update, setExitCode, async (context, options, [id = '']) => {
    const changes = await readChanges(options);
    const tenant = await context.tenant(options.tenant);
    const { client, clientSecret } = await (await context.deps()).clients
      .update({ tenantId: tenant.id, clientId: id, ...changes })
      .catch(orNoClient(id, tenant));
    // The change is made: nothing after it may keep a new secret from being shown.
    const ignored = await findIgnored(context, client).catch(() => []);
    return {
      json: { client: toView(client), clientSecret, ignored },
      text: describeClient(client, tenant, clientSecret),
      notes: warnOfIgnored(ignored),
    };
  });
}

function addRotate(clients: Command, setExitCode: SetExitCode): void {
  const rotate = oneClient(
    clients,
    'rotate-secret',
    'give a client a new secret, shown once; the old one opens yet for a while',
  ).option('--overlap <seconds>', 'how long the old secret opens yet, 0 to end it now', '86400');
  setAction<Named & { overlap: string }>(
    rotate,
    setExitCode,
    async (context, options, [id = '']) => {
      if (!/^\d{1,9}$/.test(options.overlap)) {
        throw new CliError('--overlap needs a number of seconds, such as 3600.', {
          exitCode: EXIT.usage,
        });
      }
      const overlap = Number(options.overlap);
      const tenant = await context.tenant(options.tenant);
      const { client, clientSecret } = await (await context.clients())
        .rotateSecret({ tenantId: tenant.id, clientId: id, overlap })
        .catch(orNoClient(id, tenant));
      const old = overlap === 0 ? 'ends now' : `opens for ${span(overlap)} yet`;
      return {
        json: { client: toView(client), clientSecret },
        text: `${describeClient(client, tenant, clientSecret)}\nThe secret before it ${old}.`,
      };
    },
  );
}

function addSwitch(clients: Command, setExitCode: SetExitCode, isDisabled: boolean): void {
  const command = isDisabled
    ? oneClient(clients, 'disable', 'stop a client: it gets no tokens and those it has are dead')
    : oneClient(clients, 'enable', 'let a disabled client go on where it was');
  setAction<Named>(command, setExitCode, async (context, options, [id = '']) => {
    const tenant = await context.tenant(options.tenant);
    const clients = await context.clients();
    const name = { tenantId: tenant.id, clientId: id };
    const change = isDisabled ? clients.disable(name) : clients.enable(name);
    const client = await change.catch(orNoClient(id, tenant));
    return {
      json: { client: toView(client) },
      text: isDisabled
        ? `Disabled ${id}. It is refused within a second; APIs that verify tokens by themselves\ntake those that are out until they expire.`
        : `Enabled ${id}.`,
    };
  });
}

/** `gatehouse clients show|update|rotate-secret|disable|enable` */
export function addClientChanges(clients: Command, setExitCode: SetExitCode): void {
  addShow(clients, setExitCode);
  addUpdate(clients, setExitCode);
  addRotate(clients, setExitCode);
  addSwitch(clients, setExitCode, true);
  addSwitch(clients, setExitCode, false);
}
