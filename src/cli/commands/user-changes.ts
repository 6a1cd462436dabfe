import type { Command } from 'commander';
import type { Profile, ProfilePatch } from '../../features/user/index.ts';
import { collect, setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { findUser } from '../find-user.ts';
import { details } from '../output.ts';
import { parseAssignment } from '../parse-value.ts';

const summary = (user: Profile, tenant: string) =>
  details({
    id: user.id,
    tenant,
    email: user.email,
    'email verified': user.emailVerified,
    phone: user.phone,
    'phone verified': user.phoneVerified,
    username: user.username,
    name: user.name,
    'given name': user.givenName,
    'family name': user.familyName,
    locale: user.locale,
    zoneinfo: user.zoneinfo,
    attributes: JSON.stringify(user.attributes),
    status: user.status,
    version: user.version,
    created: user.createdAt,
    updated: user.updatedAt,
    erased: user.deactivatedAt,
  });

interface OfTenant {
  tenant: string;
}

/** A command on one user of a tenant. */
const userCommand = (users: Command, name: string, description: string): Command =>
  users
    .command(name)
    .description(description)
    .argument('<user>', 'id, e-mail address, phone number or username')
    .requiredOption('--tenant <slug>', 'the tenant that it belongs to');

async function find(context: Context, { tenant: slug }: OfTenant, name = '') {
  const tenant = await context.tenant(slug);
  return { tenant, user: await findUser(await context.users(), tenant.id, name) };
}

function addShow(users: Command, setExitCode: (code: number) => void): void {
  const show = userCommand(users, 'show', 'show all that is kept of a user');
  setAction<OfTenant>(show, setExitCode, async (context, options, [name]) => {
    const { user, tenant } = await find(context, options, name);
    return { json: { user, tenant: tenant.slug }, text: summary(user, tenant.slug) };
  });
}

type Change = 'suspend' | 'reactivate';

function addChange(
  users: Command,
  setExitCode: (code: number) => void,
  [change, description]: [Change, string],
): void {
  const command = userCommand(users, change, description);
  setAction<OfTenant>(command, setExitCode, async (context, options, [name]) => {
    const { user, tenant } = await find(context, options, name);
    const { lifecycle } = await context.deps();
    const changed = await lifecycle[change]({ tenantId: tenant.id, userId: user.id });
    return {
      json: { user: changed, tenant: tenant.slug },
      text: summary(changed, tenant.slug),
    };
  });
}

function addDelete(users: Command, setExitCode: (code: number) => void): void {
  const remove = userCommand(users, 'delete', 'erase all that is kept of a user, for good').option(
    '--yes',
    'do it: there is no way back',
  );
  setAction<OfTenant & { yes?: boolean }>(remove, setExitCode, async (context, options, [name]) => {
    const { user, tenant } = await find(context, options, name);
    if (!options.yes) {
      throw new CliError('An erasure cannot be undone; nothing was done.', {
        advice: 'To erase this user, add --yes',
        exitCode: EXIT.usage,
      });
    }
    const { lifecycle } = await context.deps();
    await lifecycle.erase({ tenantId: tenant.id, userId: user.id });
    return { json: { deleted: user.id }, text: `Erased ${user.id}.` };
  });
}

interface UpdateOptions extends OfTenant {
  name?: string;
  givenName?: string;
  familyName?: string;
  locale?: string;
  zoneinfo?: string;
  attribute?: string[];
}

async function readPatch(options: UpdateOptions): Promise<ProfilePatch> {
  const { profilePatch } = await import('../../features/user/index.ts');
  const { tenant: _, attribute = [], ...fields } = options;
  const names = ['name', 'givenName', 'familyName', 'locale', 'zoneinfo'] as const;
  const given = names
    .filter((name) => fields[name] !== undefined)
    .map((name) => [name, fields[name] === '' ? null : fields[name]]);
  const attributes = await Promise.all(attribute.map(parseAssignment));
  if (given.length + attributes.length === 0) {
    throw new CliError('There is nothing to change.', { exitCode: EXIT.usage });
  }
  return profilePatch.parse({
    ...Object.fromEntries(given),
    ...(attributes.length > 0 ? { attributes: Object.fromEntries(attributes) } : {}),
  });
}

function addUpdate(users: Command, setExitCode: (code: number) => void): void {
  const update = userCommand(users, 'update', 'change a profile; an empty value takes one away')
    .option('--name <name>', 'the whole name, as people see it')
    .option('--given-name <name>')
    .option('--family-name <name>')
    .option('--locale <locale>', 'en or vi')
    .option('--zoneinfo <zone>', 'such as Asia/Ho_Chi_Minh')
    .option('--attribute <name=value>', 'JSON or text, null takes it away; repeatable', collect);
  setAction<UpdateOptions>(update, setExitCode, async (context, options, [name]) => {
    const patch = await readPatch(options);
    const { user, tenant } = await find(context, options, name);
    const target = { tenantId: tenant.id, userId: user.id };
    const changed = await (await context.users()).update(target, patch, 'administrator');
    return {
      json: { user: changed, tenant: tenant.slug },
      text: summary(changed, tenant.slug),
    };
  });
}

/** `gatehouse users show|update|suspend|reactivate|delete` */
export function addUserChanges(users: Command, setExitCode: (code: number) => void): void {
  addShow(users, setExitCode);
  addUpdate(users, setExitCode);
  addChange(users, setExitCode, ['suspend', 'close an account and end all of its sessions']);
  addChange(users, setExitCode, ['reactivate', 'open an account again that was suspended']);
  addDelete(users, setExitCode);
}
