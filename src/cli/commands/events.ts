import type { Command } from 'commander';
import type { EventFilter } from '../../features/outbox/index.ts';
import { type AddCommands, collect, setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { span, table } from '../output.ts';

interface FilterOptions {
  from?: string;
  to?: string;
  type?: string[];
  tenant?: string;
}

type SetExitCode = (code: number) => void;

const DAY = 24 * 3_600_000;
const INSTANT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;

function instant(option: string, text: string): Date {
  const date = new Date(text);
  if (INSTANT.test(text) && !Number.isNaN(date.getTime())) return date;
  throw new CliError(`${option} must be an instant (ISO 8601), such as 2026-01-31T08:00:00Z.`, {
    exitCode: EXIT.usage,
  });
}

async function toFilter(context: Context, options: FilterOptions): Promise<EventFilter> {
  const to = options.to === undefined ? new Date() : instant('--to', options.to);
  const from =
    options.from === undefined ? new Date(to.getTime() - DAY) : instant('--from', options.from);
  const tenant = options.tenant === undefined ? undefined : await context.tenant(options.tenant);
  return {
    from,
    to,
    ...(options.type ? { types: options.type } : {}),
    ...(tenant ? { tenantId: tenant.id } : {}),
  };
}

async function openLog(context: Context) {
  const { createEventLog } = await import('../../features/outbox/index.ts');
  const { systemClock } = await import('../../kernel/clock.ts');
  const { knex } = await context.database({ statementTimeout: 0 });
  return createEventLog({ knex, clock: systemClock });
}

const withFilter = (command: Command): Command =>
  command
    .option('--to <instant>', 'events before it (ISO 8601); default: now')
    .option('--type <type>', 'only of this type; may be repeated', collect)
    .option('--tenant <slug>', 'only of this tenant');

function addList(group: Command, setExitCode: SetExitCode): void {
  const list = withFilter(
    group
      .command('list')
      .description('what happened, from the audit log, oldest first')
      .option('--from <instant>', 'events since (ISO 8601); default: a day before the end'),
  ).option('--limit <number>', 'at most so many; default: 200');
  setAction<FilterOptions & { limit?: string }>(list, setExitCode, async (context, options) => {
    const limit = Number(options.limit ?? 200);
    if (!Number.isInteger(limit) || limit < 1 || limit > 100_000) {
      throw new CliError('--limit must be a number from 1 to 100000.', { exitCode: EXIT.usage });
    }
    const filter = await toFilter(context, options);
    const events = await (await openLog(context)).list(filter, limit);
    return {
      json: { events },
      text: table(
        ['WHEN', 'TYPE', 'SUBJECT', 'TENANT', 'ACTOR'],
        events.map((event) => [
          event.occurredAt,
          event.type,
          event.subject,
          event.tenantId,
          event.actorId,
        ]),
      ),
      notes: events.length === limit ? [`There may be more: --limit is ${limit}.`] : [],
    };
  });
}

function addLag(group: Command, setExitCode: SetExitCode): void {
  const lag = group.command('lag').description('what each sink still waits for');
  setAction(lag, setExitCode, async (context) => {
    const { unpublished, sinks } = await (await openLog(context)).progress();
    const now = Date.now();
    return {
      json: { unpublished, sinks },
      text: [
        `New, taken by no worker yet: ${unpublished}`,
        table(
          ['SINK', 'WAITING', 'OLDEST', 'FAILURES', 'NEXT TRY'],
          sinks.map((sink) => [
            sink.name,
            sink.waiting,
            sink.oldest ? span((now - sink.oldest.getTime()) / 1_000) : null,
            sink.failures,
            sink.retryAt,
          ]),
        ),
      ].join('\n\n'),
    };
  });
}

function addReplay(group: Command, setExitCode: SetExitCode): void {
  const replay = withFilter(
    group
      .command('replay')
      .description('send events again, with the same ids and in order, by the workers that run')
      .requiredOption('--from <instant>', 'events since (ISO 8601)'),
  ).option('--sink <name>', 'to this sink; may be repeated; default: all brokers', collect);
  setAction<FilterOptions & { sink?: string[] }>(replay, setExitCode, async (context, options) => {
    const filter = await toFilter(context, options);
    const log = await openLog(context);
    const done = await log.replay(filter, options.sink).catch((error: unknown) => {
      if (!(error instanceof RangeError)) throw error;
      throw new CliError(`No worker has a sink ${JSON.stringify(error.message)}.`, {
        advice: 'To see them: gatehouse events lag',
      });
    });
    if (done.sinks.length === 0) {
      throw new CliError('There is no broker to send events to.', {
        advice: 'Set NATS_URL or RABBITMQ_URL for the workers and start them once',
      });
    }
    return {
      json: done,
      text: `Events: ${done.events}, on their way to: ${done.sinks.join(', ')}`,
    };
  });
}

/** `gatehouse events`. */
export const addEvents: AddCommands = (program, setExitCode) => {
  const group = program.command('events').description('events and their way to the sinks');
  addList(group, setExitCode);
  addLag(group, setExitCode);
  addReplay(group, setExitCode);
};
