import { Piscina } from 'piscina';

/** Estimates how hard passwords are to guess, on a thread of its own: some take a tenth of a second. */
export interface StrengthMeter {
  /**
   * 0, guessed at once, to 4, beyond guessing; null when too many ask at once.
   * Of a long password only the beginning is looked at.
   * @param words that an attacker would try for this person
   */
  estimate(password: string, words: readonly string[]): Promise<0 | 1 | 2 | 3 | 4 | null>;
  close(): Promise<void>;
}

export interface StrengthTask {
  password: string;
  words: string[];
}

/** Characters that are looked at: the time grows with the square of them, or worse. */
const LONGEST = 100;
const MOST_WORDS = 30;

/** Estimates that may wait. */
const QUEUE = 16;

export function createStrengthMeter(): StrengthMeter {
  const pool = new Piscina<StrengthTask, 0 | 1 | 2 | 3 | 4>({
    filename: new URL('./strength-worker.ts', import.meta.url).href,
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: 10_000,
  });
  let present = 0;
  return {
    async estimate(password, words) {
      if (present > QUEUE) return null;
      present += 1;
      try {
        return await pool.run({
          password: password.normalize('NFKC').slice(0, LONGEST),
          words: words.slice(0, MOST_WORDS).map((word) => word.slice(0, LONGEST)),
        });
      } finally {
        present -= 1;
      }
    },
    close: () => pool.close(),
  };
}
