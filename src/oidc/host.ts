import type { Context, Middleware, Next } from 'koa';
import compose from 'koa-compose';
import type { KeySet, SigningAlg, StoredKeys } from './keys/signing-keys.ts';
import type { Engine } from './provider.ts';
import { createPublicDocuments, type PublicDocuments } from './public-documents.ts';

/**
 * Milliseconds between looks at the keys; a change is followed within this time
 * by a process that missed the word of it.
 */
const POLL_INTERVAL = 5_000;

export interface EngineHost {
  /** The engine in use; a request keeps the one that it started with. */
  current(): Engine;
  /** Serves a request with the engine in use. */
  middleware: Middleware;
  /** JWKS and discovery, as bytes in memory. */
  documents(): PublicDocuments;
  /** What is signed with beside tokens: the first signs, all verify. */
  secrets(): Pick<KeySet, 'cookies' | 'csrf'>;
  /** Looks for changed keys now. @returns whether the engine was swapped */
  refresh(): Promise<boolean>;
  /** Age of the oldest current signing key, in seconds. */
  keyAge(now: number): number;
  stop(): void;
}

interface Loaded {
  engine: Engine;
  handle(ctx: Context, next: Next): Promise<void>;
  documents: PublicDocuments;
  keys: KeySet;
  fingerprint: string;
}

/** Runs `work` once at a time: whoever asks while it runs gets a run that begins after it. */
function oneAtATime<T>(work: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const run = last.then(work, work);
    last = run;
    return run;
  };
}

/** Seconds since the oldest key that signs with one of these algorithms began to. */
function ageOf({ signing }: KeySet, algs: readonly SigningAlg[], now: number): number {
  const born = signing
    .filter((key) => key.state === 'current' && algs.includes(key.alg))
    .map((key) => (key.activatedAt ?? key.createdAt).getTime());
  return born.length === 0 ? 0 : Math.max(0, (now - Math.min(...born)) / 1000);
}

/**
 * Holds the engine and swaps it whole when keys change: building one costs a
 * millisecond, requests in flight keep the old one. When keys cannot be read,
 * the last good set stays in use.
 */
export async function createEngineHost(options: {
  /** Algorithms that keys are made for; others may be published still, and sign nothing. */
  algs: readonly SigningAlg[];
  readKeys(): Promise<StoredKeys>;
  /** Calls `onChange` when keys may have changed. */
  watchKeys(onChange: () => void): void;
  build(keys: KeySet): Engine;
  /** Seconds that others may keep the JWKS. */
  jwksMaxAge: number;
  /** Public keys that others may encrypt to. */
  encryptionKeys: Record<string, string>[];
  onSwap(keys: KeySet): void;
  onError(error: unknown): void;
}): Promise<EngineHost> {
  async function load(stored: StoredKeys): Promise<Loaded> {
    const keys = stored.open();
    const engine = options.build(keys);
    const published = [...keys.signing.map((key) => key.publicJwk), ...options.encryptionKeys];
    return {
      engine,
      handle: compose(engine.provider.middleware) as Loaded['handle'],
      documents: await createPublicDocuments(engine.provider, published, options.jwksMaxAge),
      keys,
      fingerprint: stored.fingerprint,
    };
  }

  let loaded = await load(await options.readKeys());

  const refresh = oneAtATime(async () => {
    const stored = await options.readKeys();
    if (stored.fingerprint === loaded.fingerprint) return false;
    loaded = await load(stored);
    options.onSwap(loaded.keys);
    return true;
  });

  let isStopped = false;
  const look = (): void => {
    if (!isStopped) refresh().catch((error) => isStopped || options.onError(error));
  };
  const timer = setInterval(look, POLL_INTERVAL);
  timer.unref();
  options.watchKeys(look);

  return {
    current: () => loaded.engine,
    middleware: (ctx, next) => loaded.handle(ctx, next),
    documents: () => loaded.documents,
    secrets: () => loaded.keys,
    refresh,
    keyAge: (now) => ageOf(loaded.keys, options.algs, now),
    stop() {
      isStopped = true;
      clearInterval(timer);
    },
  };
}
