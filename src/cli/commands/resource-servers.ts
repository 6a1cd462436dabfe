import type { Command } from 'commander';
import type {
  NewResourceServer,
  ResourceScope,
  ResourceServer,
} from '../../features/resource-server/index.ts';
import type { Tenant } from '../../features/tenant/index.ts';
import { type AddCommands, collect, setAction } from '../command.ts';
import { CliError, EXIT } from '../errors.ts';
import { details, table } from '../output.ts';

interface Named {
  tenant: string;
}

interface Settings {
  scope?: string[];
  tokenTtl?: string;
  alg?: string;
  format?: string;
}

type SetExitCode = (code: number) => void;

/** Words that stand for what the deployment says. */
const DEFAULT = 'default';

/** `name` or `name=description`. @throws CliError for another shape */
function parseScope(text: string): ResourceScope {
  const [, name, description] = /^([^=\s]+)(?:=(.+))?$/s.exec(text) ?? [];
  if (name !== undefined) return description === undefined ? { name } : { name, description };
  throw new CliError('--scope needs a name, such as orders:read="Read your orders".', {
    exitCode: EXIT.usage,
  });
}

function parseTtl(text: string): number | null {
  if (text === DEFAULT) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new CliError('--token-ttl needs a number of seconds, or: default', {
    exitCode: EXIT.usage,
  });
}

/** The settings that the options give; the service refuses values that are none of ours. */
const readSettings = ({ scope, tokenTtl, alg, format }: Settings) =>
  ({
    ...(scope === undefined ? {} : { scopes: scope.map(parseScope) }),
    ...(tokenTtl === undefined ? {} : { accessTokenTtl: parseTtl(tokenTtl) }),
    ...(alg === undefined ? {} : { signingAlg: alg === DEFAULT ? null : alg }),
    ...(format === undefined ? {} : { format }),
  }) as Pick<NewResourceServer, 'scopes' | 'accessTokenTtl' | 'signingAlg' | 'format'>;

const withSettings = (command: Command): Command =>
  command
    .option('--scope <name=description>', 'a scope, all of them; may be repeated', collect)
    .option('--token-ttl <seconds>', 'how long its access tokens live; or: default')
    .option('--alg <algorithm>', 'RS256, ES256 or EdDSA, what signs its tokens; or: default')
    .option('--format <format>', 'jwt, or opaque for introspection');

const describe = (server: ResourceServer, slug: string): string =>
  details({
    audience: server.audience,
    tenant: server.isShared ? `${slug} (for clients of every tenant)` : slug,
    name: server.name,
    ...(server.isDisabled ? { disabled: true } : {}),
    scopes: server.scopes.map(({ name }) => name).join(' '),
    'token lifetime': server.accessTokenTtl ?? DEFAULT,
    algorithm: server.signingAlg ?? DEFAULT,
    format: server.format,
    created: server.createdAt,
  });

const toAnswer = (server: ResourceServer, tenant: Tenant) => ({
  json: { resourceServer: server },
  text: describe(server, tenant.slug),
});

const orNone =
  (audience: string, tenant: Tenant) =>
  (error: { code?: string }): never => {
    if (error.code !== 'IDENT_NOT_FOUND') throw error;
    throw new CliError(
      `There is no resource server ${JSON.stringify(audience)} in tenant ${tenant.slug}.`,
      { advice: 'To see what there is: gatehouse resource-servers list' },
    );
  };

const oneServer = (servers: Command, name: string, description: string): Command =>
  servers
    .command(name)
    .description(description)
    .argument('<audience>', 'its identifier, an absolute URI (RFC 8707)')
    .requiredOption('--tenant <slug>', 'the tenant that owns it; platform: for every tenant');

function addCreate(servers: Command, setExitCode: SetExitCode): void {
  const create = withSettings(
    oneServer(servers, 'create', 'make an API known that access tokens are issued for'),
  ).requiredOption('--name <name>', 'its name as people see it');
  setAction<Named & Settings & { name: string }>(
    create,
    setExitCode,
    async (context, options, [audience = '']) => {
      const settings = readSettings(options);
      const tenant = await context.tenant(options.tenant);
      const input = { tenantId: tenant.id, audience, name: options.name, ...settings };
      return toAnswer(await (await context.resourceServers()).create(input), tenant);
    },
  );
}

function addList(servers: Command, setExitCode: SetExitCode): void {
  const list = servers
    .command('list')
    .description('list the resource servers; --json gives all of each')
    .option('--tenant <slug>', 'only those of this tenant');
  setAction<{ tenant?: string }>(list, setExitCode, async (context, options) => {
    const tenant = options.tenant === undefined ? undefined : await context.tenant(options.tenant);
    const found = await (await context.resourceServers()).list(tenant?.id);
    const tenants = await (await context.tenants()).list();
    const slugs = new Map(tenants.map(({ id, slug }) => [id, slug]));
    const rows = found.map((server) => [
      server.audience,
      server.name,
      slugs.get(server.tenantId),
      server.isDisabled,
      server.format,
      server.scopes.map(({ name }) => name).join(' '),
    ]);
    return {
      json: { resourceServers: found },
      text: table(['AUDIENCE', 'NAME', 'TENANT', 'DISABLED', 'FORMAT', 'SCOPES'], rows),
    };
  });
}

function addShow(servers: Command, setExitCode: SetExitCode): void {
  const show = oneServer(servers, 'show', 'show one resource server');
  setAction<Named>(show, setExitCode, async (context, options, [audience = '']) => {
    const tenant = await context.tenant(options.tenant);
    const service = await context.resourceServers();
    const name = { tenantId: tenant.id, audience };
    return toAnswer(await service.get(name).catch(orNone(audience, tenant)), tenant);
  });
}

interface UpdateOptions extends Named, Settings {
  name?: string;
  disable?: boolean;
  enable?: boolean;
}

/** The change that the options ask for. @throws CliError when there is none, or two that clash */
function readChange(options: UpdateOptions) {
  const { name, disable, enable } = options;
  const change = {
    ...readSettings(options),
    ...(name === undefined ? {} : { name }),
    ...(disable || enable ? { isDisabled: disable === true } : {}),
  };
  if (disable && enable) {
    throw new CliError('Give one of --disable and --enable.', { exitCode: EXIT.usage });
  }
  if (Object.keys(change).length === 0) {
    throw new CliError('Nothing to change was given.', {
      advice: 'See: gatehouse resource-servers update --help',
      exitCode: EXIT.usage,
    });
  }
  return change;
}

function addUpdate(servers: Command, setExitCode: SetExitCode): void {
  const update = withSettings(oneServer(servers, 'update', 'change it; what is not named stays'))
    .option('--name <name>', 'its name as people see it')
    .option('--disable', 'no tokens are issued for it')
    .option('--enable', 'tokens are issued for it again');
  setAction<UpdateOptions>(update, setExitCode, async (context, options, [audience = '']) => {
    const change = readChange(options);
    const tenant = await context.tenant(options.tenant);
    const service = await context.resourceServers();
    const server = await service
      .update({ tenantId: tenant.id, audience, ...change })
      .catch(orNone(audience, tenant));
    return toAnswer(server, tenant);
  });
}

function addDelete(servers: Command, setExitCode: SetExitCode): void {
  const remove = oneServer(servers, 'delete', 'forget it: no more tokens are issued for it');
  setAction<Named>(remove, setExitCode, async (context, options, [audience = '']) => {
    const tenant = await context.tenant(options.tenant);
    const service = await context.resourceServers();
    await service.delete({ tenantId: tenant.id, audience }).catch(orNone(audience, tenant));
    return {
      json: { deleted: audience },
      text: `Deleted ${audience}. Tokens for it that are out live until they expire.`,
    };
  });
}

/** `gatehouse resource-servers create|list|show|update|delete` */
export const addResourceServers: AddCommands = (program, setExitCode) => {
  const servers = program
    .command('resource-servers')
    .description('APIs that access tokens are issued for');
  addList(servers, setExitCode);
  addCreate(servers, setExitCode);
  addShow(servers, setExitCode);
  addUpdate(servers, setExitCode);
  addDelete(servers, setExitCode);
};
