import { availableParallelism, totalmem } from 'node:os';
import { type Config, libuvThreads } from '../../config.ts';
import { about, type Finding } from './finding.ts';

/** First major version of Node.js that runs TypeScript as this project writes it. */
const NODE_MAJOR = 24;

/** Bytes that one password hash takes while it is computed (argon2id, 64 MiB). */
const HASH_MEMORY = 64 * 1024 * 1024;

/** The part of the memory that hashes may take, beside all else. */
const HASH_SHARE = 0.5;

const MIB = 1024 * 1024;

export function checkNode(): Finding {
  const { ok, fail } = about('node');
  const major = Number(process.versions.node.split('.')[0]);
  const found = `Node.js ${process.versions.node}`;
  return major >= NODE_MAJOR ? ok(found) : fail(found, `Use Node.js ${NODE_MAJOR} or newer.`);
}

function checkHashing({ MAX_CONCURRENT_HASHES, WEB_CONCURRENCY }: Config): Finding {
  const { ok, warn } = about('hashing');
  const cores = availableParallelism();
  const hashes = MAX_CONCURRENT_HASHES * WEB_CONCURRENCY;
  const found =
    `${WEB_CONCURRENCY} process(es), each with up to ${MAX_CONCURRENT_HASHES} hashes at once; ` +
    `${cores} cores`;
  if (hashes <= cores) return ok(found);
  const share = Math.max(1, Math.floor(cores / WEB_CONCURRENCY));
  return warn(found, `More hashes than cores slow all of them: MAX_CONCURRENT_HASHES=${share}`);
}

/** Node's own figure knows the limit of a container; without one it says 0 or absurdly much. */
function availableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

function checkMemory({ MAX_CONCURRENT_HASHES, WEB_CONCURRENCY }: Config): Finding {
  const { ok, warn } = about('memory');
  const memory = availableMemory();
  const needed = MAX_CONCURRENT_HASHES * WEB_CONCURRENCY * HASH_MEMORY;
  const found =
    `${Math.round(memory / MIB)} MiB, of which password hashes take up to ` +
    `${Math.round(needed / MIB)} MiB`;
  if (needed <= memory * HASH_SHARE) return ok(found);
  return warn(found, 'Lower MAX_CONCURRENT_HASHES or WEB_CONCURRENCY, or give it more memory.');
}

function checkThreads(): Finding {
  const { ok, warn } = about('threads');
  const threads = libuvThreads();
  const cores = availableParallelism();
  const found = `libuv signs tokens on ${threads} threads; ${cores} cores`;
  if (threads >= cores) return ok(found);
  return warn(found, `Set UV_THREADPOOL_SIZE=${cores} where the service starts.`);
}

/** This process and the machine under it. */
export const checkProcess = (config: Config): Finding[] => [
  checkHashing(config),
  checkMemory(config),
  checkThreads(),
];
