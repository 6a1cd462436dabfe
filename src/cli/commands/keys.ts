import type { Command } from 'commander';
import type { SigningAlg } from '../../oidc/keys/material.ts';
import type { KeyRow } from '../../oidc/keys/repository.ts';
import type { KeyRotation } from '../../oidc/keys/rotation.ts';
import type { AddCommands, Answer } from '../command.ts';
import { setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { span, table, writeError } from '../output.ts';
import { readText } from '../stdin.ts';
import { addRewrap } from './keys-rewrap.ts';

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
    goneAt: row.gone_at,
  };
}

/** Puts what is wrong with a key into the words of the command line. */
async function orRefuse<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'KeyRefused') throw error;
    throw new CliError(`Refused: ${error.message}.`, {
      advice: 'To see the keys: gatehouse keys list',
    });
  }
}

async function openRotation(context: Context): Promise<KeyRotation & { algs: string[] }> {
  const { createKeyRotation } = await import('../../oidc/keys/rotation.ts');
  const { keyPolicy } = await import('../../oidc/keys/policy.ts');
  const { createEmit } = await import('../../infra/outbox.ts');
  const { systemClock: clock } = await import('../../kernel/clock.ts');
  const { lateSealer } = await import('../stores.ts');
  const policy = keyPolicy(context.config);
  const { knex } = await context.database();
  const sealer = await lateSealer(context.config);
  const rotation = createKeyRotation({ knex, sealer, clock, emit: createEmit(clock), policy });
  return { ...rotation, algs: [...policy.algs] };
}

/**
 * Waits until every running process publishes the key: what it signs would
 * otherwise meet one that has never heard of it.
 */
async function waitUntilFollowed(key: KeyRow): Promise<void> {
  const { FOLLOWED_WITHIN } = await import('../../oidc/keys/policy.ts');
  const left = key.created_at.getTime() + FOLLOWED_WITHIN * 1_000 - Date.now();
  if (left <= 0) return;
  writeError(`Published ${key.kid}; waiting ${Math.ceil(left / 1_000)} s until all processes do.`);
  await new Promise((resolve) => setTimeout(resolve, left));
}

interface Rotated {
  alg: string;
  kid: string;
  state: 'current' | 'next';
  previousKid: string | null;
  /** When a key that does not sign yet may begin to, by the schedule or the next call. */
  ripeAt: Date | null;
}

/** One algorithm: the published key takes over, if it has been published for long enough. */
async function rotate(rotation: KeyRotation, key: KeyRow, isNow: boolean): Promise<Rotated> {
  const { alg, kid } = key;
  const ripeAt = rotation.ripeAt(key);
  if (!isNow && ripeAt.getTime() > Date.now()) {
    return { alg, kid, state: 'next', previousKid: null, ripeAt };
  }
  const previousKid = await orRefuse(() => rotation.promote(kid, 'requested'));
  return { alg, kid, state: 'current', previousKid, ripeAt: null };
}

const describe = ({ alg, kid, state, previousKid, ripeAt }: Rotated): string =>
  state === 'current'
    ? `${alg}: ${kid} signs now; ${previousKid ?? 'no key'} retires.`
    : `${alg}: ${kid} is published. It can take over from ${ripeAt?.toISOString()}: ` +
      'run this again then, or with --now.';

function addRotate(keys: Command, setExitCode: (code: number) => void): void {
  const command = keys
    .command('rotate')
    .description('let the published next key sign; publish one where there is none')
    .option('--alg <alg>', 'only this algorithm, such as RS256; default: all')
    .option('--now', 'sign at once, though copies of the JWKS without the key may be about');
  setAction<{ alg?: string; now?: boolean }>(command, setExitCode, async (context, options) => {
    const rotation = await openRotation(context);
    const algs = options.alg === undefined ? rotation.algs : [options.alg];
    const unknown = algs.find((alg) => !rotation.algs.includes(alg));
    if (unknown !== undefined) {
      throw new CliError(`${JSON.stringify(unknown)} is not one of ${rotation.algs.join(', ')}.`, {
        exitCode: EXIT.usage,
      });
    }
    const isNow = options.now ?? false;
    const published: KeyRow[] = [];
    for (const alg of algs) published.push(await rotation.publish(alg as SigningAlg));
    if (isNow) for (const key of published) await waitUntilFollowed(key);
    const rotated: Rotated[] = [];
    for (const key of published) rotated.push(await rotate(rotation, key, isNow));
    return { json: { keys: rotated }, text: rotated.map(describe).join('\n') };
  });
}

function addRevoke(keys: Command, setExitCode: (code: number) => void): void {
  const command = keys
    .command('revoke')
    .description('take out a compromised key at once: what it signed is refused from then on')
    .argument('<kid>', 'the key');
  setAction(command, setExitCode, async (context, _options, [kid = '']): Promise<Answer> => {
    const rotation = await openRotation(context);
    const signing = await orRefuse(() => rotation.revoke(kid));
    return {
      json: { revoked: kid, signing },
      text: `Revoked ${kid}. ${signing ? `${signing} signs` : 'No key of its algorithm signs'} now.`,
      notes: [
        `Others may go by their copy of the JWKS for ${context.config.JWKS_MAX_AGE} s, or longer.`,
      ],
    };
  });
}

function addImport(keys: Command, setExitCode: (code: number) => void): void {
  const command = keys
    .command('import')
    .description('take over a private key: PEM of RSA, EC P-256 or Ed25519, not encrypted')
    .requiredOption('--file <file>', 'the key; - for standard input')
    .requiredOption('--kid <kid>', 'the kid that it is known by')
    .option('--alg <alg>', 'refuse it unless it is for this algorithm')
    .option('--state <state>', 'next: publish it; current: let it sign as well', 'next');
  type Options = { file: string; kid: string; alg?: string; state: string };
  setAction<Options>(command, setExitCode, async (context, { file, kid, alg, state }) => {
    if (state !== 'next' && state !== 'current') {
      throw new CliError('--state is next or current.', { exitCode: EXIT.usage });
    }
    const pem = await readText(file, 'the key');
    const rotation = await openRotation(context);
    const key = await orRefuse(() =>
      rotation.importPem({ pem, kid, ...(alg === undefined ? {} : { alg }) }),
    );
    const json = { kid, alg: key.alg, state };
    if (state === 'next') {
      const when = rotation.ripeAt(key).toISOString();
      return { json, text: `Imported ${kid} (${key.alg}) as next. It can sign from ${when}.` };
    }
    await waitUntilFollowed(key);
    const before = await orRefuse(() => rotation.promote(kid, 'imported'));
    const text = `Imported ${kid} (${key.alg}). It signs now; ${before ?? 'no key'} retires.`;
    return { json, text };
  });
}

function addList(keys: Command, setExitCode: (code: number) => void): void {
  const list = keys.command('list').description('list the signing keys; never their private parts');
  setAction(list, setExitCode, async (context) => {
    const { listKeys } = await import('../../oidc/keys/repository.ts');
    const rows = await listKeys((await context.database()).knex);
    const found = rows.map((row) => toView(row, Date.now()));
    const text =
      found.length === 0
        ? 'There are no signing keys yet; the service makes them when it first starts.'
        : table(
            ['STATE', 'ALG', 'KID', 'AGE', 'CREATED', 'SIGNS SINCE', 'RETIRED', 'GONE'],
            found.map((key) => [
              key.state,
              key.alg,
              key.kid,
              span(key.ageSeconds),
              key.createdAt,
              key.activatedAt,
              key.retiredAt,
              key.goneAt,
            ]),
          );
    return { json: { keys: found }, text };
  });
}

/** `gatehouse keys list|rotate|revoke|import|rewrap` */
export const addKeys: AddCommands = (program, setExitCode) => {
  const keys = program
    .command('keys')
    .description('keys that sign tokens, and the one that seals them');
  addList(keys, setExitCode);
  addRotate(keys, setExitCode);
  addRevoke(keys, setExitCode);
  addImport(keys, setExitCode);
  addRewrap(keys, setExitCode);
};
