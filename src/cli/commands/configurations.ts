import type { Command } from 'commander';
import type { Configuration } from '../../features/configuration/index.ts';
import type { AddCommands } from '../command.ts';
import { collect, setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, reasonOf } from '../errors.ts';
import { details, table } from '../output.ts';
import { readJsonObject, readText } from '../stdin.ts';

type SetExitCode = (code: number) => void;

interface PlaceOptions {
  tenant?: string;
}

/** Null for the platform: what its own tenant would be set is set for all. */
async function tenantIdOf(context: Context, slug: string | undefined): Promise<string | null> {
  if (slug === undefined) return null;
  const tenant = await context.tenant(slug);
  return tenant.isPlatform ? null : tenant.id;
}

async function placeOf(context: Context, options: PlaceOptions, [given = '', key = '']: string[]) {
  const group = given.toUpperCase();
  if (group !== 'MAIL' && group !== 'SMS') {
    throw new CliError(`There is no group ${JSON.stringify(given)}: it is MAIL or SMS.`, {
      exitCode: EXIT.usage,
    });
  }
  return { tenantId: await tenantIdOf(context, options.tenant), group, key } as const;
}

/** `name=value`, where the value is JSON if it reads as JSON, else text. */
function parseAssignment(text: string): [string, unknown] {
  const at = text.indexOf('=');
  if (at < 1) {
    throw new CliError(`${JSON.stringify(text)} is not name=value.`, { exitCode: EXIT.usage });
  }
  const value = text.slice(at + 1);
  try {
    return [text.slice(0, at), JSON.parse(value)];
  } catch {
    return [text.slice(0, at), value];
  }
}

const tell = (one: Configuration, tenant: string): string =>
  details({
    group: one.group,
    key: one.key,
    tenant,
    settings: JSON.stringify(one.settings),
    credentials: one.hasCredentials ? 'sealed' : 'none',
    version: one.version,
    updated: one.updatedAt,
  });

function addList(group: Command, setExitCode: SetExitCode): void {
  const list = group
    .command('list')
    .description('list what is set; credentials are never shown')
    .option('--tenant <slug>', 'only what this tenant has; platform for what holds for all');
  setAction<PlaceOptions>(list, setExitCode, async (context, options) => {
    const tenantId =
      options.tenant === undefined ? undefined : await tenantIdOf(context, options.tenant);
    const found = await (await context.configurations()).list(tenantId);
    const tenants = await (await context.tenants()).list();
    const slugs = new Map(tenants.map(({ id, slug }) => [id, slug]));
    const rows = found.map((one) => [
      one.tenantId === null ? 'platform' : slugs.get(one.tenantId),
      one.group,
      one.key,
      JSON.stringify(one.settings).slice(0, 80),
      one.hasCredentials ? 'sealed' : 'none',
      one.version,
    ]);
    return {
      json: { configurations: found },
      text: table(['TENANT', 'GROUP', 'KEY', 'SETTINGS', 'CREDENTIALS', 'VERSION'], rows),
    };
  });
}

interface SetOptions extends PlaceOptions {
  set?: string[];
  settings?: string;
  file?: string;
  credentialsStdin?: boolean;
}

/** What is to be set: a JSON object, single members, or the text of a message. */
async function readSettings({ set = [], settings, file }: SetOptions): Promise<object> {
  if (file !== undefined) return { value: (await readText(file, 'the text')).trimEnd() };
  return {
    ...(settings === undefined ? {} : await readJsonObject(settings)),
    ...Object.fromEntries(set.map(parseAssignment)),
  };
}

function addSet(group: Command, setExitCode: SetExitCode): void {
  const set = group
    .command('set')
    .description('set or replace a setting of the platform, or of a tenant')
    .argument('<group>', 'MAIL or SMS')
    .argument('<key>', 'server, provider, or template/<name>/<language>/<part>')
    .option('--tenant <slug>', 'the tenant it is for; default: the platform')
    .option('--set <name=value>', 'a member of the settings; may be repeated', collect)
    .option('--settings <file>', 'the settings as a JSON object')
    .option('--file <file>', 'the text of a template')
    .option('--credentials-stdin', 'a JSON object of credentials on standard input');
  setAction<SetOptions>(set, setExitCode, async (context, options, args) => {
    const place = await placeOf(context, options, args);
    const settings = await readSettings(options);
    const credentials = options.credentialsStdin ? await readJsonObject('-') : undefined;
    const input = credentials === undefined ? { settings } : { settings, credentials };
    const saved = await (await context.configurations()).set(place, input);
    const tenant = options.tenant ?? 'platform';
    return { json: { configuration: saved }, text: tell(saved, tenant) };
  });
}

function addUnset(group: Command, setExitCode: SetExitCode): void {
  const unset = group
    .command('unset')
    .description('take a setting away; what stands behind it holds again')
    .argument('<group>', 'MAIL or SMS')
    .argument('<key>', 'as `configurations list` shows it')
    .option('--tenant <slug>', 'the tenant it is of; default: the platform');
  setAction<PlaceOptions>(unset, setExitCode, async (context, options, args) => {
    const place = await placeOf(context, options, args);
    await (await context.configurations()).unset(place).catch((error: { code?: string }) => {
      if (error.code !== 'IDENT_NOT_FOUND') throw error;
      throw new CliError(`Nothing is set for ${place.group} ${place.key}.`, {
        advice: 'To see what is: gatehouse configurations list',
      });
    });
    return { json: { unset: place }, text: `${place.group} ${place.key} is no longer set.` };
  });
}

interface TestOptions extends PlaceOptions {
  to: string;
  locale?: string;
}

function addTest(group: Command, setExitCode: SetExitCode): void {
  const test = group
    .command('test')
    .description('send a sample by the server or provider that is in use, at once')
    .argument('<group>', 'MAIL or SMS')
    .requiredOption('--to <receiver>', 'an e-mail address, or a phone number such as +84901234567')
    .option('--tenant <slug>', 'in whose name; default: the platform')
    .option('--locale <language>', 'en or vi');
  setAction<TestOptions>(test, setExitCode, async (context, options, [name = '']) => {
    const { group: channel } = await placeOf(context, {}, [name, '']);
    const tenant = await context.tenant(options.tenant ?? 'platform');
    const { posts } = await context.deps();
    const { to, locale = null } = options;
    await posts
      .test(channel === 'MAIL' ? 'mail' : 'sms', to, tenant.id, locale)
      .catch((error: Error) => {
        if (error.name !== 'DeliveryError') throw error;
        throw new CliError(`It was not sent: ${reasonOf(error)}.`, {
          advice: 'To see what is set: gatehouse configurations list',
        });
      });
    return { json: { sent: { to } }, text: `A sample was taken for ${to}.` };
  });
}

export const addConfigurations: AddCommands = (program, setExitCode) => {
  const group = program
    .command('configurations')
    .description('mail servers, SMS providers and wording, changed while the service runs');
  addList(group, setExitCode);
  addSet(group, setExitCode);
  addUnset(group, setExitCode);
  addTest(group, setExitCode);
};
