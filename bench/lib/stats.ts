/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The value below which the share `q` (0 to 1) of `sorted` lies; nearest rank. */
export const quantile = (sorted: ArrayLike<number>, q: number): number =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;

/** What one measured run of one contestant gave. */
export interface Run {
  /** Finished units of work per second. */
  rate: number;
  /** Latency of a unit, milliseconds. */
  p50: number;
  p99: number;
  /** Processor time of the contestant per unit, milliseconds; NaN where it cannot be read. */
  cpu: number;
  /** Share of one core that the load generator took. */
  generator: number;
}

/** Several runs of one contestant. */
export interface Summary extends Run {
  min: number;
  max: number;
}

/** The median of each figure, and the extremes of the rate. */
export function summarise(runs: readonly Run[]): Summary {
  const of = (name: keyof Run) => median(runs.map((run) => run[name]));
  const rates = runs.map(({ rate }) => rate);
  return {
    rate: of('rate'),
    p50: of('p50'),
    p99: of('p99'),
    cpu: of('cpu'),
    generator: of('generator'),
    min: Math.min(...rates),
    max: Math.max(...rates),
  };
}

/**
 * How a contestant compares with a base: the median of the ratios of runs that
 * followed one another, so that a machine that slows down in between cancels out.
 */
export const ratioOf = (runs: readonly Run[], base: readonly Run[]): number =>
  median(runs.map(({ rate }, index) => rate / (base[index]?.rate ?? Number.NaN)));
