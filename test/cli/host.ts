/**
 * Runs command lines one after the other, as `src/cli.ts` runs one: with their own environment,
 * folder and input, but with the program loaded once.
 */
import { Readable } from 'node:stream';
import { runCli } from '../../src/cli/program.ts';

export interface Order {
  args: string[];
  cwd: string;
  env: Record<string, string | undefined>;
  stdin: string;
  /** What is written to both streams when the run is over. */
  mark: string;
}

const write = (stream: NodeJS.WriteStream, text: string): Promise<void> =>
  new Promise((resolve) => stream.write(text, () => resolve()));

process.on('message', async ({ args, cwd, env, stdin, mark }: Order) => {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.chdir(cwd);
  const input = Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]);
  Object.defineProperty(process, 'stdin', { value: input, configurable: true });
  const code = await runCli([...process.argv.slice(0, 2), ...args]);
  // Each run listens anew.
  process.stdout.removeAllListeners('error');
  await write(process.stdout, mark);
  await write(process.stderr, mark);
  process.send?.({ code });
});
