import type { Command } from 'commander';
import type { NewUser, User } from '../../features/user/index.ts';
import { newSecret } from '../../kernel/ids.ts';
import { type AddCommands, collect, setAction } from '../command.ts';
import { CliError, EXIT, reasonOf } from '../errors.ts';
import { findUser } from '../find-user.ts';
import { details, table } from '../output.ts';
import { readPassword } from '../stdin.ts';
import { addUserChanges } from './user-changes.ts';
import { addUserLockout } from './users-lockout.ts';

/** Bytes of a generated password: 120 bits, twenty characters. */
const PASSWORD_BYTES = 15;

/** Users that one listing shows when nothing else is said, and at most. */
const PAGE = 100;
const LARGEST_PAGE = 10_000;

interface CreateOptions {
  tenant: string;
  email?: string;
  phone?: string;
  username?: string;
  name?: string;
  givenName?: string;
  familyName?: string;
  locale?: string;
  zoneinfo?: string;
  role?: string[];
  emailVerified?: boolean;
  passwordStdin?: boolean;
  passwordHashStdin?: boolean;
}

/** The password on standard input, or a new one, which `generated` tells to show. */
async function choosePassword(fromStdin: boolean | undefined) {
  if (fromStdin) return { password: await readPassword(), generated: null };
  const password = newSecret(PASSWORD_BYTES);
  return { password, generated: password };
}

/** As choosePassword, or a hash that another system made, on standard input too. */
async function chooseCredential(options: CreateOptions) {
  if (!options.passwordHashStdin) return choosePassword(options.passwordStdin);
  if (options.passwordStdin) {
    const message = 'Give --password-stdin or --password-hash-stdin, not both.';
    throw new CliError(message, { exitCode: EXIT.usage });
  }
  return { password: { hash: (await readPassword()).trim() }, generated: null };
}

const withPassword = (text: string, generated: string | null): string =>
  generated === null ? text : `${text}\n\nPassword (shown this once): ${generated}`;

const summary = (user: User, tenant: string) =>
  details({
    id: user.id,
    tenant,
    email: user.email,
    phone: user.phone,
    username: user.username,
    name: user.name,
    status: user.status,
    created: user.createdAt,
  });

function toNewUser(tenantId: string, options: CreateOptions): NewUser {
  const { role, ...given } = options;
  const names = [
    'email',
    'phone',
    'username',
    'name',
    'givenName',
    'familyName',
    'locale',
    'zoneinfo',
    'emailVerified',
  ] as const;
  const entries = names
    .filter((name) => given[name] !== undefined)
    .map((name) => [name, given[name]] as const);
  return { tenantId, ...(role ? { roles: role } : {}), ...Object.fromEntries(entries) };
}

function addCreate(users: Command, setExitCode: (code: number) => void): void {
  const create = users
    .command('create')
    .description('create a user; without a password on standard input one is made and shown once')
    .requiredOption('--tenant <slug>', 'the tenant that it belongs to')
    .option('--email <address>')
    .option('--phone <number>', 'E.164, such as +84901234567')
    .option('--username <name>')
    .option('--name <name>', 'the whole name, as people see it')
    .option('--given-name <name>')
    .option('--family-name <name>')
    .option('--locale <locale>', 'en or vi')
    .option('--zoneinfo <zone>', 'such as Asia/Ho_Chi_Minh')
    .option('--role <role>', 'a role in the tenant; may be repeated', collect)
    .option('--email-verified', 'the address is known to be theirs')
    .option('--password-stdin', 'read the password from standard input')
    .option(
      '--password-hash-stdin',
      'read a hash of the password that another system made: bcrypt, scrypt, PBKDF2, argon2, phpass',
    );
  setAction<CreateOptions>(create, setExitCode, async (context, options) => {
    const { password, generated } = await chooseCredential(options);
    const tenant = await context.tenant(options.tenant);
    const user = await (await context.users()).create(toNewUser(tenant.id, options), password);
    return {
      json: { user, tenant: tenant.slug, password: generated },
      text: withPassword(summary(user, tenant.slug), generated),
    };
  });
}

function addList(users: Command, setExitCode: (code: number) => void): void {
  const list = users
    .command('list')
    .description('list the users of a tenant, oldest first')
    .requiredOption('--tenant <slug>')
    .option('--limit <count>', 'how many at most', String(PAGE))
    .option('--after <id>', 'go on after this user');
  setAction<{ tenant: string; limit: string; after?: string }>(
    list,
    setExitCode,
    async (context, options) => {
      const limit = Number(options.limit);
      if (!Number.isInteger(limit) || limit < 1 || limit > LARGEST_PAGE) {
        const message = `--limit must be a whole number from 1 to ${LARGEST_PAGE}.`;
        throw new CliError(message, { exitCode: EXIT.usage });
      }
      const { isUuid } = await import('../../kernel/ids.ts');
      if (options.after !== undefined && !isUuid(options.after)) {
        throw new CliError('--after must be the id of a user.', { exitCode: EXIT.usage });
      }
      const tenant = await context.tenant(options.tenant);
      const page = { limit: limit + 1, after: options.after };
      const found = await (await context.users()).list(tenant.id, page);
      const shown = found.slice(0, limit);
      const next = found.length > limit ? (shown.at(-1)?.id ?? null) : null;
      const rows = shown.map((user) => [
        user.id,
        user.email,
        user.phone,
        user.username,
        user.name,
        user.status,
        user.createdAt,
      ]);
      return {
        json: { users: shown, next },
        text: table(['ID', 'EMAIL', 'PHONE', 'USERNAME', 'NAME', 'STATUS', 'CREATED'], rows),
        ...(next ? { notes: [`There are more. Go on with: --after ${next}`] } : {}),
      };
    },
  );
}

function addSetPassword(users: Command, setExitCode: (code: number) => void): void {
  const setPassword = users
    .command('set-password')
    .description('give a user a new password and end all of its sessions')
    .argument('<user>', 'id, e-mail address, phone number or username')
    .requiredOption('--tenant <slug>', 'the tenant that it belongs to')
    .option('--password-stdin', 'read the password from standard input');
  setAction<{ tenant: string; passwordStdin?: boolean }>(
    setPassword,
    setExitCode,
    async (context, options, [name = '']) => {
      const { password, generated } = await choosePassword(options.passwordStdin);
      const tenant = await context.tenant(options.tenant);
      const service = await context.users();
      const user = await findUser(service, tenant.id, name);
      // Opened first: with Redis down, nothing is changed.
      const sessions = await context.sessions();
      await service.setPassword(user.tenantId, user.id, password);
      const ended = await sessions
        .endAllOf(user.id, { reason: 'password_reset' })
        .catch((error: unknown) => {
          throw new CliError(
            `The password is set, but its sessions could not all be ended: ${reasonOf(error)}`,
            { advice: 'Run the command again.', cause: error },
          );
        });
      const text = `Password set. Sessions ended: ${ended}\n\n${summary(user, tenant.slug)}`;
      return {
        json: { userId: user.id, sessionsEnded: ended, password: generated },
        text: withPassword(text, generated),
      };
    },
  );
}

/** `gatehouse users create|list|set-password|unlock|forget-browsers|reset-mfa`, and what changes one */
export const addUsers: AddCommands = (program, setExitCode) => {
  const users = program.command('users').description('accounts of people');
  addList(users, setExitCode);
  addCreate(users, setExitCode);
  addSetPassword(users, setExitCode);
  addUserLockout(users, setExitCode, async (context, tenantId, name) =>
    findUser(await context.users(), tenantId, name),
  );
  addUserChanges(users, setExitCode);
};
