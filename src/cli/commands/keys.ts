import type { KeyRow } from '../../oidc/key-repository.ts';
import type { AddCommands } from '../command.ts';
import { setAction } from '../command.ts';
import { span, table } from '../output.ts';

/** What may be told of a key: no part of it. */
function toView(row: KeyRow, now: number) {
  const since = row.activated_at ?? row.created_at;
  return {
    kid: row.kid,
    alg: row.alg,
    state: row.state,
    ageSeconds: Math.max(0, Math.floor((now - since.getTime()) / 1000)),
    createdAt: row.created_at,
    activatedAt: row.activated_at,
    retiredAt: row.retired_at,
  };
}

/** `gatehouse keys list` */
export const addKeys: AddCommands = (program, setExitCode) => {
  const keys = program.command('keys').description('keys that sign tokens');
  const list = keys.command('list').description('list the signing keys; never their private parts');
  setAction(list, setExitCode, async (context) => {
    const { listKeys } = await import('../../oidc/key-repository.ts');
    const rows = await listKeys((await context.database()).knex);
    const found = rows.map((row) => toView(row, Date.now()));
    const text =
      found.length === 0
        ? 'There are no signing keys yet; the service makes them when it first starts.'
        : table(
            ['STATE', 'ALG', 'KID', 'AGE', 'CREATED', 'RETIRED'],
            found.map((key) => [
              key.state,
              key.alg,
              key.kid,
              span(key.ageSeconds),
              key.createdAt,
              key.retiredAt,
            ]),
          );
    return { json: { keys: found }, text };
  });
};
