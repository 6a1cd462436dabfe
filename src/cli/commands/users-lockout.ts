import type { Command } from 'commander';
import type { User } from '../../features/user/index.ts';
import { setAction } from '../command.ts';
import type { Context } from '../context.ts';

/** Finds the user that a command line names. @throws CliError */
type FindUser = (context: Context, tenantId: string, name: string) => Promise<User>;

const USER = 'id, e-mail address, phone number or username';

function addUnlock(users: Command, setExitCode: (code: number) => void, find: FindUser): void {
  const command = users
    .command('unlock')
    .description('open an account that failed sign-ins or wrong codes have closed')
    .argument('<user>', USER)
    .requiredOption('--tenant <slug>', 'the tenant that it belongs to');
  setAction<{ tenant: string }>(command, setExitCode, async (context, options, [name = '']) => {
    const tenant = await context.tenant(options.tenant);
    const user = await find(context, tenant.id, name);
    const wasLocked = await (await context.unlocking()).unlock(user.tenantId, user.id);
    return {
      json: { userId: user.id, wasLocked },
      text: wasLocked
        ? `User ${user.id} can sign in again.`
        : `Failed sign-ins had not closed user ${user.id}; wrong codes count anew too.`,
    };
  });
}

function addForget(users: Command, setExitCode: (code: number) => void, find: FindUser): void {
  const command = users
    .command('forget-browsers')
    .description('make every browser of a user a new one, such as after a device was stolen')
    .argument('<user>', USER)
    .requiredOption('--tenant <slug>', 'the tenant that it belongs to');
  setAction<{ tenant: string }>(command, setExitCode, async (context, options, [name = '']) => {
    const tenant = await context.tenant(options.tenant);
    const user = await find(context, tenant.id, name);
    const forgotten = await (await context.unlocking()).forgetBrowsers(user.tenantId, user.id);
    return {
      json: { userId: user.id, forgotten },
      text: `Browsers of user ${user.id} forgotten: ${forgotten}`,
    };
  });
}

function addResetMfa(users: Command, setExitCode: (code: number) => void, find: FindUser): void {
  const command = users
    .command('reset-mfa')
    .description('take all second factors of a user away, who has lost them, and end all sessions')
    .argument('<user>', USER)
    .requiredOption('--tenant <slug>', 'the tenant that it belongs to');
  setAction<{ tenant: string }>(command, setExitCode, async (context, options, [name = '']) => {
    const tenant = await context.tenant(options.tenant);
    const user = await find(context, tenant.id, name);
    const { mfaReset } = await context.deps();
    const removed = await mfaReset.reset(user.tenantId, user.id);
    return {
      json: { userId: user.id, removed },
      text: `Authenticators of user ${user.id} taken away: ${removed}. All sessions have ended.`,
    };
  });
}

/** `gatehouse users unlock|forget-browsers|reset-mfa` */
export function addUserLockout(
  users: Command,
  setExitCode: (code: number) => void,
  find: FindUser,
): void {
  addUnlock(users, setExitCode, find);
  addForget(users, setExitCode, find);
  addResetMfa(users, setExitCode, find);
}
