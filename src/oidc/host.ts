import type { Context, Middleware, Next } from 'koa';
import compose from 'koa-compose';
import type { SigningKey } from './keys.ts';
import type { Engine } from './provider.ts';
import { createPublicDocuments, type PublicDocuments } from './public-documents.ts';

/** Milliseconds between looks at the key table; a change is followed within this time. */
const POLL_INTERVAL = 5_000;

export interface EngineHost {
  /** The engine in use; a request keeps the one that it started with. */
  current(): Engine;
  /** Serves a request with the engine in use. */
  middleware: Middleware;
  /** JWKS and discovery, as bytes in memory. */
  documents(): PublicDocuments;
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
  keys: SigningKey[];
  fingerprint: string;
}

const fingerprintOf = (keys: SigningKey[]): string =>
  keys.map((key) => `${key.kid}:${key.state}`).join(' ');

/**
 * Holds the engine and swaps it whole when keys change: building one costs a
 * millisecond, requests in flight keep the old one. When keys cannot be read,
 * the last good set stays in use.
 */
export async function createEngineHost(options: {
  loadKeys(): Promise<SigningKey[]>;
  build(keys: SigningKey[]): Engine;
  onSwap(keys: SigningKey[]): void;
  onError(error: unknown): void;
}): Promise<EngineHost> {
  async function load(keys: SigningKey[]): Promise<Loaded> {
    const engine = options.build(keys);
    return {
      engine,
      handle: compose(engine.provider.middleware) as Loaded['handle'],
      documents: await createPublicDocuments(engine.provider, keys),
      keys,
      fingerprint: fingerprintOf(keys),
    };
  }

  let loaded = await load(await options.loadKeys());

  async function refresh(): Promise<boolean> {
    const keys = await options.loadKeys();
    if (fingerprintOf(keys) === loaded.fingerprint) return false;
    loaded = await load(keys);
    options.onSwap(keys);
    return true;
  }

  const timer = setInterval(() => refresh().catch(options.onError), POLL_INTERVAL);
  timer.unref();

  return {
    current: () => loaded.engine,
    middleware: (ctx, next) => loaded.handle(ctx, next),
    documents: () => loaded.documents,
    refresh,
    keyAge(now) {
      const born = loaded.keys
        .filter((key) => key.state === 'current')
        .map((key) => (key.activatedAt ?? key.createdAt).getTime());
      return born.length === 0 ? 0 : Math.max(0, (now - Math.min(...born)) / 1000);
    },
    stop: () => clearInterval(timer),
  };
}
