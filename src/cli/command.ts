import type { Command } from 'commander';
import type { Context } from './context.ts';
import { writeError, writeOut } from './output.ts';

/** What a command has to say. Nothing else is written to standard output. */
export interface Answer {
  /** For machines: the one document that `--json` prints. */
  json: unknown;
  /** For people. */
  text: string;
  /** What to watch out for; goes to standard error either way. */
  notes?: readonly string[];
  exitCode?: number;
}

/** Adds commands to the program; `setExitCode` is told the status of the process. */
export type AddCommands = (program: Command, setExitCode: (code: number) => void) => void;

type Work<Options> = (context: Context, options: Options, args: string[]) => Promise<Answer>;

/**
 * Gives a command its work and the option `--json`. What the work opens through
 * its context is closed after it; what it throws is put into words on standard
 * error, with a stack trace only when LOG_LEVEL asks for one.
 */
export function setAction<Options extends object>(
  command: Command,
  setExitCode: (code: number) => void,
  work: Work<Options>,
): Command {
  return command.option('--json', 'answer with one JSON document').action(async () => {
    const { createContext } = await import('./context.ts');
    const context = createContext();
    const options = command.opts<Options & { json?: boolean }>();
    try {
      const answer = await work(context, options, command.processedArgs as string[]);
      for (const note of answer.notes ?? []) writeError(note);
      await writeOut(
        options.json ? `${JSON.stringify(answer.json, null, 2)}\n` : `${answer.text}\n`,
      );
      setExitCode(answer.exitCode ?? 0);
    } catch (error) {
      const { describeError } = await import('./errors.ts');
      const { text, exitCode } = describeError(error);
      writeError(`gatehouse: ${text}`);
      if (context.isVerbose()) console.error(error);
      setExitCode(exitCode);
    } finally {
      // Too late to matter: the work is done or has failed, and the process ends.
      await context.close().catch(() => {});
    }
  });
}

/** For options that may be given many times. */
export const collect = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  value,
];
