import type { Command } from 'commander';
import { setAction } from '../command.ts';
import { EXIT } from '../errors.ts';
import { table } from '../output.ts';

/** `gatehouse keys rewrap` */
export function addRewrap(keys: Command, setExitCode: (code: number) => void): void {
  const command = keys
    .command('rewrap')
    .description('seal everything anew under the key-encryption key; others must open it still');
  setAction(command, setExitCode, async (context) => {
    const { rewrap } = await import('../../infra/rewrap.ts');
    const { lateSealer } = await import('../stores.ts');
    const sealer = await lateSealer(context.config);
    const { keyId } = sealer;
    const { knex } = await context.database();
    const columns = await rewrap({ knex, sealer });
    const failed = columns.reduce((sum, column) => sum + column.failed, 0);
    const rows = columns.map((one) => [`${one.table}.${one.column}`, one.moved, one.failed]);
    return {
      json: { keyId, columns },
      text: table(['SEALED', 'MOVED', 'NOT OPENED'], rows),
      notes:
        failed > 0
          ? [
              `${failed} values were sealed under keys that are not set. If such a key still exists,` +
                ' set it as KEY_ENCRYPTION_KEY_OTHER and run this again.',
            ]
          : [`Everything is sealed under key ${keyId}.`],
      exitCode: failed > 0 ? EXIT.failed : EXIT.ok,
    };
  });
}
