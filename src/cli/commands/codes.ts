import type { User } from '../../features/user/index.ts';
import type { CodeNamespace } from '../../infra/one-time-codes.ts';
import { type AddCommands, setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { details } from '../output.ts';

interface UnlockOptions {
  tenant: string;
  identifier: string;
  namespace?: string;
}

/** @throws CliError for a name that is none */
async function namespacesOf(name: string | undefined): Promise<readonly CodeNamespace[]> {
  const { CODE_NAMESPACES } = await import('../../infra/one-time-codes.ts');
  if (name === undefined) return CODE_NAMESPACES;
  const found = CODE_NAMESPACES.find((one) => one === name);
  if (found) return [found];
  const message = `--namespace must be one of ${CODE_NAMESPACES.join(', ')}.`;
  throw new CliError(message, { exitCode: EXIT.usage });
}

/** By what the codes of an identifier, and of the user who has it, are found. */
async function codeIdsOf(context: Context, tenantId: string, typed: string) {
  const { parseIdentifier } = await import('../../features/user/index.ts');
  const identifier = parseIdentifier(typed);
  if (!identifier) {
    const message = '--identifier must be an e-mail address, a phone number or a username.';
    throw new CliError(message, { exitCode: EXIT.usage });
  }
  const found = await (await context.users()).findByIdentifier(tenantId, identifier);
  const user: User | undefined = found.find(({ isHome }) => isHome);
  const ids = new Set([`${identifier.scheme}:${identifier.value}`]);
  if (user) ids.add(`user:${user.id}`);
  if (user?.email) ids.add(`email:${user.email.toLowerCase()}`);
  if (user?.phone) ids.add(`phone:${user.phone}`);
  return { ids: [...ids], userId: user?.id ?? null };
}

/** `gatehouse codes unlock` */
export const addCodes: AddCommands = (program, setExitCode) => {
  const codes = program.command('codes').description('one-time codes by mail and SMS');
  const unlock = codes
    .command('unlock')
    .description('lift the lockout of an identifier, and let codes be sent to it again')
    .requiredOption('--tenant <slug>', 'the tenant that the person belongs to')
    .requiredOption('--identifier <identifier>', 'e-mail address, phone number or username')
    .option('--namespace <namespace>', 'of one kind of code, such as email-auth; default: of all');
  setAction<UnlockOptions>(unlock, setExitCode, async (context, options) => {
    const namespaces = await namespacesOf(options.namespace);
    const tenant = await context.tenant(options.tenant);
    const { ids, userId } = await codeIdsOf(context, tenant.id, options.identifier);
    const engine = await context.codes();
    for (const namespace of namespaces) {
      for (const id of ids) await engine.unlock(namespace, id);
    }
    return {
      json: { userId, namespaces },
      text: `Unlocked.\n\n${details({ user: userId, namespaces: namespaces.join(', ') })}`,
    };
  });
};
