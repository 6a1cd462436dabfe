import type { Command } from 'commander';
import { z } from 'zod';
import type { ChainReport, Checkpoint } from '../../features/audit/index.ts';
import { type AddCommands, setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { table } from '../output.ts';
import { readJsonObject } from '../stdin.ts';

interface VerifyOptions {
  tenant?: string;
  system?: boolean;
  checkpoint?: string;
}

const checkpointFile = z.object({
  checkpoints: z.array(
    z.object({
      tenantId: z.uuid().nullable(),
      length: z.int().min(0),
      hash: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

const WORDS: Record<NonNullable<ChainReport['broken']>['fault'], string> = {
  altered: 'was altered or moved',
  missing: 'is missing',
  truncated: 'and what followed it are missing',
  added: 'was added past the service',
  rewritten: 'is not what was recorded: the chain was written anew',
};

const describe = ({ broken }: ChainReport): string =>
  broken === null
    ? 'whole'
    : `BROKEN: entry ${broken.position}${broken.eventId ? ` (${broken.eventId})` : ''} ${WORDS[broken.fault]}`;

async function readCheckpoints(file: string | undefined): Promise<Checkpoint[]> {
  if (file === undefined) return [];
  const parsed = checkpointFile.safeParse(await readJsonObject(file));
  if (parsed.success) return parsed.data.checkpoints;
  throw new CliError(`${file} is not what audit verify --json prints.`);
}

/** Those asked for, or all that there are or were. */
async function chooseChains(
  context: Context,
  options: VerifyOptions,
  known: () => Promise<(string | null)[]>,
): Promise<(string | null)[]> {
  if (options.system) return [null];
  return options.tenant === undefined ? known() : [(await context.tenant(options.tenant)).id];
}

function addVerify(group: Command, setExitCode: (code: number) => void): void {
  const verify = group
    .command('verify')
    .description('compute the chains of the audit log anew and say where one breaks')
    .option('--tenant <slug>', 'only that of one tenant')
    .option('--system', 'only that of events of no tenant')
    .option('--checkpoint <file>', 'compare with what --json printed earlier; - is standard input');
  setAction<VerifyOptions>(verify, setExitCode, async (context, options) => {
    const { checkpoints, createAuditService } = await import('../../features/audit/index.ts');
    const { knex } = await context.database({ statementTimeout: 0 });
    const audit = createAuditService({ knex });
    const expected = await readCheckpoints(options.checkpoint);
    const chains = await chooseChains(context, options, async () => {
      const recorded = expected.map(({ tenantId }) => tenantId);
      return [...new Set([...(await audit.listChains()), ...recorded])];
    });
    const reports: ChainReport[] = [];
    for (const tenantId of chains) {
      const checkpoint = expected.find((one) => one.tenantId === tenantId);
      reports.push(await audit.verify(tenantId, checkpoint));
    }
    const isWhole = reports.every(({ broken }) => broken === null);
    return {
      json: { isWhole, chains: reports, checkpoints: checkpoints(reports) },
      text: table(
        ['TENANT', 'ENTRIES', 'HASH', 'CHAIN'],
        reports.map((report) => [
          report.tenantId ?? 'none',
          report.length,
          report.hash.slice(0, 16),
          describe(report),
        ]),
      ),
      exitCode: isWhole ? EXIT.ok : EXIT.failed,
    };
  });
}

/** `gatehouse audit`. */
export const addAudit: AddCommands = (program, setExitCode) => {
  const group = program.command('audit').description('the audit log');
  addVerify(group, setExitCode);
};
