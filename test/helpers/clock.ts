import type { Clock } from '../../src/kernel/clock.ts';

export interface FakeClock extends Clock {
  /** Moves time forward by so many milliseconds. */
  advance(milliseconds: number): void;
}

/** A clock that stands still until it is moved; starts now, so that real expiries still hold. */
export function createFakeClock(start = Date.now()): FakeClock {
  let now = start;
  return {
    now: () => now,
    advance: (milliseconds) => {
      now += milliseconds;
    },
  };
}
