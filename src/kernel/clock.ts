/** Time as a dependency, so that tests move it by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/**
 * The real clock. It reads `Date.now` at each call, not once, so that a test
 * which mocks `Date` moves the engine and ourselves together.
 */
export const systemClock: Clock = { now: () => Date.now() };
