import type { AddCommands } from '../command.ts';
import { setAction } from '../command.ts';

/** `gatehouse migrate` */
export const addMigrate: AddCommands = (program, setExitCode) => {
  const command = program
    .command('migrate')
    .description('apply the migrations that the database lacks');
  setAction(command, setExitCode, async (context) => {
    const { migrate } = await import('../../infra/migrations.ts');
    // An operator waits here: no statement is cut short, and neither is the wait for another's.
    const { knex } = await context.database({ statementTimeout: 0 });
    const applied = await migrate(knex);
    const text =
      applied.length === 0
        ? 'Nothing to do: the database has every migration.'
        : ['Applied:', ...applied.map((name) => `  ${name}`)].join('\n');
    return { json: { applied }, text };
  });
};
