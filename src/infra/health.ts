import type { Clock } from '../kernel/clock.ts';

export type DependencyState = 'up' | 'down';

export interface Readiness {
  /** `degraded`: something is down that sign-in does not need. */
  status: 'ready' | 'degraded' | 'unavailable' | 'draining';
  dependencies: Record<string, DependencyState>;
  /** What goes on working; given while a critical dependency is down. */
  stillWorks?: string[];
}

export interface Health {
  /** The process runs: says nothing of its dependencies, or a restart would be the cure for theirs. */
  live(): { status: 'live' };
  /** Whether requests should be sent here; `httpStatus` is 200 or 503. */
  ready(): Promise<{ httpStatus: 200 | 503; report: Readiness }>;
  /** From now on not ready: the process is about to stop. */
  drain(): void;
}

export interface HealthOptions {
  clock: Clock;
  /** Rejects, or hangs, when the dependency does not answer. */
  checks: Readonly<Record<string, () => Promise<void>>>;
  /** Milliseconds that a check may take. */
  timeoutMs: number;
  /** Milliseconds that a result is kept, so that probes cannot load the stores. At most 1000. */
  cacheMs?: number;
  /** Without these this process is not ready, with what goes on working all the same. */
  critical?: Readonly<Record<string, readonly string[]>>;
  /** Told of each result, for `auth_dependency_up`. */
  onResult?(dependency: string, up: boolean): void;
}

/** Contract, operations: what outlives each store. */
const CRITICAL: Readonly<Record<string, readonly string[]>> = {
  postgres: ['jwks', 'discovery'],
  redis: ['jwks', 'discovery', 'offline token verification', 'requests with access tokens'],
};

const LONGEST_CACHE = 1_000;

/** Whether a check passes in time. */
async function passes(check: () => Promise<void>, timeoutMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeoutMs);
  const checked = Promise.resolve()
    .then(check)
    .then(
      () => true,
      () => false,
    );
  return Promise.race([checked, late]).finally(() => clearTimeout(timer));
}

const common = (lists: readonly (readonly string[])[]): string[] =>
  [...(lists[0] ?? [])].filter((item) => lists.every((list) => list.includes(item)));

/** Makes the health reports of this process (contract: operations). */
export function createHealth(options: HealthOptions): Health {
  const { clock, checks, timeoutMs, critical = CRITICAL, onResult } = options;
  const cacheMs = Math.min(options.cacheMs ?? LONGEST_CACHE, LONGEST_CACHE);
  let draining = false;
  let last: { at: number; states: Promise<Record<string, DependencyState>> } | null = null;

  async function check(): Promise<Record<string, DependencyState>> {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, one]) => {
        const up = await passes(one, timeoutMs);
        onResult?.(name, up);
        return [name, up ? 'up' : 'down'] as const;
      }),
    );
    return Object.fromEntries(results);
  }

  function states(): Promise<Record<string, DependencyState>> {
    const now = clock.now();
    // Kept as a promise: probes that come together share one round of checks.
    if (!last || now - last.at >= cacheMs) last = { at: now, states: check() };
    return last.states;
  }

  return {
    live: () => ({ status: 'live' }),
    drain: () => {
      draining = true;
    },
    async ready() {
      const dependencies = await states();
      const down = Object.keys(dependencies).filter((name) => dependencies[name] === 'down');
      const missing = down.filter((name) => name in critical);
      if (missing.length > 0) {
        const stillWorks = common(missing.map((name) => critical[name] ?? []));
        return { httpStatus: 503, report: { status: 'unavailable', dependencies, stillWorks } };
      }
      if (draining) return { httpStatus: 503, report: { status: 'draining', dependencies } };
      const status = down.length > 0 ? 'degraded' : 'ready';
      return { httpStatus: 200, report: { status, dependencies } };
    },
  };
}
