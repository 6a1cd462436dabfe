/**
 * Runs `work`, or `otherwise` when a dependency fails it. For a while after a
 * failure callers are spared the wait: they get `otherwise` at once, and one at
 * a time tries whether the dependency is back.
 */
export type Breaker = <T>(work: () => Promise<T>, otherwise: () => Promise<T> | T) => Promise<T>;

/** Milliseconds that a dependency is left alone after a failure. */
const PAUSE = 1_000;

/**
 * @param isFailure tells a dependency that is down from an error of the work itself, which is thrown
 * @param now milliseconds; real time, whatever clock decisions go by, as this is about waiting
 */
export function createBreaker(
  isFailure: (error: unknown) => boolean,
  now: () => number = () => performance.now(),
): Breaker {
  let restsUntil: number | undefined;
  return async (work, otherwise) => {
    if (restsUntil !== undefined) {
      if (now() < restsUntil) return otherwise();
      restsUntil = now() + PAUSE;
    }
    try {
      const result = await work();
      restsUntil = undefined;
      return result;
    } catch (error) {
      if (!isFailure(error)) throw error;
      restsUntil = now() + PAUSE;
      return otherwise();
    }
  };
}
