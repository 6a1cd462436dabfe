/**
 * The benchmark: `npm run bench`. See README.md for how it measures.
 *
 *   --quick            short runs: a first impression
 *   --only <scenario>  one scenario (may be repeated); `start` for start times,
 *                      `timing` for how long refused sign-ins take
 *   --list             names of the scenarios
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Jar } from './lib/flows.ts';
import { type Report, renderReport, resultRows } from './lib/report.ts';
import { type Memory, type Plan, type Result, runVariant } from './lib/runner.ts';
import { type Scenario, scenarios } from './lib/scenarios.ts';
import { measureNpmStart, measureStart } from './lib/startup.ts';
import { openStores } from './lib/stores.ts';
import { measureTiming } from './lib/timing.ts';

const FULL: Plan = { rounds: 5, seconds: 2, warmUp: 1 };
const QUICK: Plan = { rounds: 3, seconds: 1, warmUp: 0.7 };

/** Starts that are measured. */
const STARTS = { full: 5, quick: 3 };

/** Refused sign-ins of each kind that are timed. */
const SIGN_INS = { full: 200, quick: 50 };

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
  },
});

const allNames = (): string[] => [...scenarios.map(({ name }) => name), 'timing', 'start'];

/** Whether what has a name of its own is to be measured. */
const isWanted = (name: string): boolean => values.only?.includes(name) ?? true;

/** @throws when one is asked for that does not exist */
function chooseScenarios(only: string[] | undefined): Scenario[] {
  const names = allNames();
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown) throw new Error(`There is no scenario ${unknown}; there are ${names.join(', ')}.`);
  return scenarios.filter(({ name }) => only?.includes(name) ?? true);
}

const needed = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the benchmark with npm run bench`);
  return value;
};

/** Prints the lines of a scenario as soon as it is done. */
function printResult(result: Result): void {
  for (const [
    title = '',
    server = '',
    rate = '',
    range = '',
    ratio = '',
    ,
    latency = '',
  ] of resultRows(result)) {
    const cells = [title.padEnd(50), server.padEnd(13), rate.padStart(8), range.padStart(15)];
    console.log(`  ${cells.join(' ')} ${ratio.padStart(6)}  ${latency}`);
  }
}

async function runScenarios(
  stores: Parameters<typeof runVariant>[0],
  chosen: Scenario[],
  plan: Plan,
): Promise<{ results: Result[]; memory: Memory[] }> {
  const results: Result[] = [];
  const memory: Memory[] = [];
  const shared = new Map<string, Promise<Jar[]>>();
  const groups = Map.groupBy(chosen, ({ variant }) => `${variant.alg} ${variant.format}`);
  for (const group of groups.values()) {
    const onResult = (result: Result): void => {
      results.push(result);
      printResult(result);
    };
    memory.push(...(await runVariant(stores, group, plan, { shared, onResult })));
  }
  return { results, memory };
}

async function save(report: Report): Promise<void> {
  const folder = new URL('results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const text = renderReport(report);
  console.log(`\n${text}`);
  // A part or a first impression must not replace the whole.
  if (values.quick || values.only) return;
  for (const name of [report.date, 'latest']) await writeFile(new URL(`${name}.md`, folder), text);
}

async function main(): Promise<number> {
  const chosen = chooseScenarios(values.only);
  if (values.list) {
    console.log(allNames().join('\n'));
    return 0;
  }
  const plan = values.quick ? QUICK : FULL;
  const count = values.quick ? STARTS.quick : STARTS.full;
  const { stores, facts, close } = await openStores({
    databaseUrl: needed('BENCH_DATABASE_URL'),
    redisUrl: needed('BENCH_REDIS_URL'),
  });
  try {
    const measured = await runScenarios(stores, chosen, plan);
    const signIns = values.quick ? SIGN_INS.quick : SIGN_INS.full;
    const timings = isWanted('timing') ? await measureTiming(stores, signIns) : [];
    const starts = isWanted('start')
      ? [...(await measureStart(stores, count)), await measureNpmStart(count)]
      : [];
    const date = new Date().toISOString().slice(0, 10);
    await save({ date, plan, facts, starts, timings, ...measured });
    return measured.results.some(({ failure }) => failure !== undefined) ? 1 : 0;
  } finally {
    await close();
  }
}

process.exitCode = await main();
