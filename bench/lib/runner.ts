import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  type Contestant,
  type Stores,
  startBare,
  startGatehouse,
  type Variant,
} from './contestants.ts';
import type { Jar } from './flows.ts';
import { runLoad } from './load.ts';
import { type Bench, type Part, signInAll } from './parts.ts';
import type { Scenario } from './scenarios.ts';
import type { Run } from './stats.ts';

export interface Plan {
  rounds: number;
  /** Seconds of one measured run. */
  seconds: number;
  /** Seconds that each contestant runs unmeasured before its first run. */
  warmUp: number;
}

/** All runs of one scenario, by contestant; `argon2id` for the ceiling. */
export interface Result {
  scenario: Scenario;
  runs: Map<string, Run[]>;
  /** Why it counts for nothing. */
  failure?: string;
}

/** Resident memory of a contestant, megabytes. */
export interface Memory {
  variant: Variant;
  name: string;
  atRest: number;
  peak: number;
}

/** Milliseconds after which a server that nobody has asked yet is at rest. */
const REST = 3_000;
const SAMPLE_EVERY = 200;

const ARGON2 = fileURLToPath(new URL('../servers/argon2.ts', import.meta.url));

/** What argon2id alone does on as many threads as one process of Gatehouse hashes on. */
async function runArgon2(seconds: number): Promise<Run> {
  const args = [ARGON2, String(availableParallelism()), String(seconds)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const none = Number.NaN;
  return { rate: Number(stdout), p50: none, p99: none, cpu: none, generator: none };
}

/** Measures a scenario: every round each contestant once, one after the other. */
async function measure(
  scenario: Scenario,
  contestants: Contestant[],
  bench: Bench,
  plan: Plan,
): Promise<Result> {
  const parts = new Map<Contestant, Part>();
  for (const contestant of contestants) {
    parts.set(contestant, await scenario.prepare(bench, contestant));
  }
  const runs = new Map<string, Run[]>();
  const note = (name: string, run: Run) => runs.set(name, [...(runs.get(name) ?? []), run]);
  const once = async (contestant: Contestant, part: Part, seconds: number): Promise<Run> => {
    await part.refill?.(seconds);
    const end = await part.beside?.();
    try {
      return await runLoad({
        port: contestant.port,
        unit: part.unit,
        seconds,
        cpu: contestant.cpu,
      });
    } finally {
      await end?.();
    }
  };
  for (const [contestant, part] of parts) await once(contestant, part, plan.warmUp);
  for (let round = 0; round < plan.rounds; round += 1) {
    if (scenario.base === 'argon2id') note('argon2id', await runArgon2(plan.seconds));
    for (const [contestant, part] of parts) {
      note(contestant.name, await once(contestant, part, plan.seconds));
    }
  }
  return { scenario, runs };
}

/** Starts the contestants of one variant; those of Gatehouse one after the other. */
async function startAll(stores: Stores, variant: Variant): Promise<Contestant[]> {
  const started: Contestant[] = [];
  try {
    started.push(await startBare(stores, variant));
    started.push(await startGatehouse(stores, variant, 1));
    started.push(await startGatehouse(stores, variant, 2));
    return started;
  } catch (error) {
    await Promise.all(started.map((contestant) => contestant.stop()));
    throw error;
  }
}

/** Browsers signed in: at Gatehouse once, since its processes share the store; at others each. */
function createSessions(stores: Stores, shared: Map<string, Promise<Jar[]>>) {
  return (contestant: Contestant): Promise<Jar[]> => {
    const key = contestant.name === 'bare' ? `bare ${contestant.port}` : 'gatehouse';
    const present = shared.get(key) ?? signInAll(stores.world, contestant.port);
    shared.set(key, present);
    return present;
  };
}

/** Runs scenarios that belong to one variant. @param onResult told of each as it ends */
export async function runVariant(
  stores: Stores,
  chosen: Scenario[],
  plan: Plan,
  options: { shared: Map<string, Promise<Jar[]>>; onResult(result: Result): void },
): Promise<Memory[]> {
  const [first] = chosen;
  if (!first) return [];
  const contestants = await startAll(stores, first.variant);
  const bench: Bench = { world: stores.world, sessions: createSessions(stores, options.shared) };
  try {
    await new Promise((resolve) => setTimeout(resolve, REST));
    const memory = contestants.map((contestant) => {
      const atRest = contestant.memory();
      return { variant: first.variant, name: contestant.name, atRest, peak: atRest };
    });
    const sampler = setInterval(() => {
      for (const [index, entry] of memory.entries()) {
        entry.peak = Math.max(entry.peak, contestants[index]?.memory() ?? 0);
      }
    }, SAMPLE_EVERY);
    for (const scenario of chosen) {
      const entrants = contestants.filter(
        ({ name }) => scenario.base === 'bare' || name !== 'bare',
      );
      const result = await measure(scenario, entrants, bench, plan).catch(
        (error: Error): Result => ({ scenario, runs: new Map(), failure: error.message }),
      );
      options.onResult(result);
    }
    clearInterval(sampler);
    return memory;
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}
