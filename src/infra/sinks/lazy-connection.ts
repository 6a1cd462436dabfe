/** A connection that is made when it is needed and made again after it was lost. */
export interface LazyConnection<T> {
  /** @throws when it cannot be made in time */
  get(): Promise<T>;
  /** Gives up the one that there is, without waiting; the next `get` makes another. */
  drop(): void;
  /** Ends it, and makes no other. */
  close(): Promise<void>;
}

/** Milliseconds that a connection may take to be made, and to be ended. */
export const CONNECT_TIMEOUT = 4_000;

/** Settles as `work` does, or rejects when it takes too long. */
export async function within<T>(work: Promise<T>, milliseconds: number, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} does not answer`)), milliseconds);
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * @param open makes a connection; calls `onLost` when it is of no more use
 * @param end ends one in good order
 */
export function createLazyConnection<T>(
  name: string,
  open: (onLost: () => void) => Promise<T>,
  end: (connection: T) => Promise<void>,
): LazyConnection<T> {
  let current: Promise<T> | undefined;
  let isClosed = false;

  function forget(which: Promise<T>): void {
    if (current === which) current = undefined;
    which.then(end).catch(() => {});
  }

  function connect(): Promise<T> {
    const opening: Promise<T> = open(() => forget(opening));
    const made = within(opening, CONNECT_TIMEOUT, name);
    made.catch(() => forget(opening));
    return opening;
  }

  return {
    async get() {
      if (isClosed) throw new Error(`${name} is closed`);
      current ??= connect();
      return within(current, CONNECT_TIMEOUT, name);
    },
    drop() {
      if (current) forget(current);
    },
    async close() {
      isClosed = true;
      const last = current;
      current = undefined;
      await within(Promise.resolve(last?.then(end)), CONNECT_TIMEOUT, name).catch(() => {});
    },
  };
}
