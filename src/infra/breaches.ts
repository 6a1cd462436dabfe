import { hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { Agent, request } from 'undici';

/** What came of a look-up. */
export type BreachResult = 'known' | 'unknown' | 'unavailable';

/** Knows passwords that were in breaches of other services. */
export interface Breaches {
  /** Whether a password is among them; false where that cannot be told now, or ever. */
  isKnown(password: string): Promise<boolean>;
  close(): Promise<void>;
}

export interface BreachOptions {
  /** Base URL of a range service like that of Have I Been Pwned; the prefix is appended. */
  rangeUrl: string | undefined;
  /** A file of SHA-1 hashes in hexadecimal, sorted, one in a line, with `:count` or without. */
  file: string | undefined;
  /** Milliseconds that a look-up may take; a second, since somebody waits for it. */
  timeout?: number;
  /** Told what came of each look-up, with the error where there was one. */
  onResult(result: BreachResult, error?: unknown): void;
}

/** Milliseconds that a look-up may take unless said otherwise. */
const DEFAULT_TIMEOUT = 1_000;

/** Bytes of a service's answer at most; those of Have I Been Pwned have 40 KB. */
const MAX_RESPONSE = 1024 * 1024;

/** Connections to the service at most. */
const MAX_CONNECTIONS = 8;

/** Hexadecimal digits that are sent; some 800 passwords share them. */
const PREFIX = 5;

/** Bytes of a line at most, and of what is read at a time. */
const LINE = 64;
const BLOCK = 4_096;

const HASH_LINE = /^([0-9A-F]{40})(?::\d+)?\r?(?:\n|$)/i;

/**
 * Asks the service for all hashes with the same beginning (k-anonymity): it learns neither
 * the password nor its hash. Padding hides how many there are; padded lines have a count of 0.
 */
async function isInRange(
  { agent, signal }: { agent: Agent; signal: AbortSignal },
  base: string,
  digest: string,
): Promise<boolean> {
  const url = `${base.replace(/\/*$/, '')}/${digest.slice(0, PREFIX)}`;
  const { statusCode, body } = await request(url, {
    dispatcher: agent,
    signal,
    headers: { 'add-padding': 'true', 'accept-encoding': 'identity', 'user-agent': 'Gatehouse' },
  });
  if (statusCode !== 200) {
    await body.dump();
    throw new Error(`the range service answered ${statusCode}`);
  }
  const line = new RegExp(`^${digest.slice(PREFIX)}:0*[1-9]`, 'im');
  return line.test(await body.text());
}

async function readAt(file: FileHandle, position: number, length: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.toString('latin1', 0, bytesRead);
}

/** The hash of a line. @throws Error when it is none */
function hashIn(line: string): string {
  const [, found] = HASH_LINE.exec(line) ?? [];
  if (!found) throw new Error('the breach file is no list of SHA-1 hashes, one in a line');
  return found.toUpperCase();
}

/** Finds the hash by halves: some thirty short reads in the forty gigabytes that there are. */
async function isInFile(path: string, digest: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    // The line, if it is there, begins at `low` or after, and before `high`.
    let low = 0;
    let high = (await file.stat()).size;
    while (high - low > BLOCK) {
      const middle = Math.floor((low + high) / 2);
      const text = await readAt(file, middle, 2 * LINE);
      const next = text.indexOf('\n') + 1;
      if (hashIn(text.slice(next)) <= digest) low = middle + next;
      else high = middle + 1;
    }
    const lines = (await readAt(file, low, BLOCK + LINE)).split('\n');
    if (lines[0]) hashIn(lines[0]);
    return lines.some((line) => line.slice(0, digest.length).toUpperCase() === digest);
  } finally {
    await file.close();
  }
}

/** Settles as `work` does, or rejects when the time is over. */
function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, late]);
}

/** @param options with neither a service nor a file, nothing is known and nothing asked */
export function createBreaches(options: BreachOptions): Breaches {
  const { rangeUrl, file, onResult, timeout = DEFAULT_TIMEOUT } = options;
  let agent: Agent | undefined;
  const agentNow = (): Agent => {
    agent ??= new Agent({
      connections: MAX_CONNECTIONS,
      maxResponseSize: MAX_RESPONSE,
      connect: { timeout },
    });
    return agent;
  };

  /** An outage costs a check, and never somebody the password. */
  async function lookUp(work: (signal: AbortSignal) => Promise<boolean>): Promise<boolean> {
    const signal = AbortSignal.timeout(timeout);
    try {
      const isKnown = await inTime(work(signal), signal);
      onResult(isKnown ? 'known' : 'unknown');
      return isKnown;
    } catch (error) {
      onResult('unavailable', error);
      return false;
    }
  }

  return {
    async isKnown(password) {
      const digest = hash('sha1', password).toUpperCase();
      if (file && (await lookUp(() => isInFile(file, digest)))) return true;
      if (!rangeUrl) return false;
      return lookUp((signal) => isInRange({ agent: agentNow(), signal }, rangeUrl, digest));
    },
    close: async () => {
      await agent?.close();
    },
  };
}
