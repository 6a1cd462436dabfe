import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addAudit } from './commands/audit.ts';
import { addClients } from './commands/clients.ts';
import { addCodes } from './commands/codes.ts';
import { addConfig } from './commands/config.ts';
import { addConfigurations } from './commands/configurations.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEvents } from './commands/events.ts';
import { addInitialAccessTokens } from './commands/initial-access-tokens.ts';
import { addKeys } from './commands/keys.ts';
import { addMigrate } from './commands/migrate.ts';
import { addResourceServers } from './commands/resource-servers.ts';
import { addSeed } from './commands/seed.ts';
import { addTenants } from './commands/tenants.ts';
import { addTrustedIssuers } from './commands/trusted-issuers.ts';
import { addUsers } from './commands/users.ts';
import { EXIT } from './errors.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

const NOTES = `
Settings are those of the service (docs/configuration.md). Outside production they are also read
from .data/gatehouse.env, which \`npm start\` leaves while it runs: use the folder it runs in.

Exit status: 0 done, 1 failed, 2 not understood, 78 the configuration is not valid.`;

/** Declares every command; nothing heavy is imported before one of them runs. */
function buildProgram(setExitCode: (code: number) => void): Command {
  const program = new Command('gatehouse')
    .description('Operates Gatehouse, an OpenID Connect provider')
    .version(version)
    .exitOverride()
    .showHelpAfterError('Add --help to see what there is.')
    .addHelpText('after', NOTES);
  const groups = [
    addMigrate,
    addSeed,
    addTenants,
    addUsers,
    addCodes,
    addClients,
    addResourceServers,
    addInitialAccessTokens,
    addTrustedIssuers,
    addKeys,
    addEvents,
    addAudit,
    addConfig,
    addConfigurations,
    addDoctor,
  ];
  for (const add of groups) add(program, setExitCode);
  return program;
}

/**
 * Runs one command line.
 * @param argv as Node gives it: the program, the script, then the arguments
 * @returns the exit status of the process
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  // `gatehouse users list | head` closes the pipe early: nobody is left to tell.
  process.stdout.on('error', () => process.exit(exitCode));
  const program = buildProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}
