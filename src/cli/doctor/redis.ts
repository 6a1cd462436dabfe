import type { Redis } from 'ioredis';
import type { Context } from '../context.ts';
import { reasonOf } from '../errors.ts';
import { about, type Finding } from './finding.ts';

/** The oldest major version of Redis or Valkey that is supported. */
const OLDEST = 7;

type Info = ReadonlyMap<string, string>;

/** The fields of an INFO answer: `name:value` lines under `# headings`. */
function parseInfo(text: string): Info {
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1)];
    }),
  );
}

function checkVersion(info: Info): Finding {
  const { ok, fail } = about('redis');
  // Valkey also tells the Redis version that it speaks, so that clients take it for one.
  const valkey = info.get('valkey_version');
  const version = valkey ?? info.get('redis_version') ?? 'unknown';
  const found = `${valkey ? 'Valkey' : 'Redis'} ${version}`;
  if (info.get('role') === 'slave') {
    return fail(
      `${found}, a replica`,
      'Point REDIS_URL at the primary: a replica takes no writes.',
    );
  }
  return Number(version.split('.')[0]) >= OLDEST
    ? ok(found)
    : fail(found, `Use Redis ${OLDEST} or Valkey ${OLDEST}, or newer.`);
}

function checkEviction(info: Info): Finding {
  const { ok, warn, fail } = about('redis eviction');
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const limit = Number(info.get('maxmemory') ?? 0);
  const found = `maxmemory-policy ${policy}, maxmemory ${info.get('maxmemory_human') ?? limit}`;
  if (policy === 'noeviction') return ok(found);
  const advice = 'Set maxmemory-policy noeviction: what is dropped may be a revocation or a lock.';
  return limit > 0 ? fail(found, advice) : warn(found, advice);
}

/** When snapshots are made; undefined where CONFIG is not allowed, as on managed servers. */
async function snapshots(redis: Redis): Promise<string | undefined> {
  try {
    const answer = (await redis.config('GET', 'save')) as string[];
    return answer[1] ?? '';
  } catch {
    return undefined;
  }
}

async function checkPersistence(redis: Redis, info: Info): Promise<Finding> {
  const { ok, info: note, warn } = about('redis persistence');
  if (info.get('aof_enabled') === '1') return ok('append-only file');
  const saves = await snapshots(redis);
  if (saves === undefined) {
    return note('no append-only file; the server does not tell of snapshots');
  }
  const advice =
    'Set appendonly yes: else a restart forgets revocations, locks and sign-ins under way.';
  return saves === ''
    ? warn('none: no append-only file, no snapshots', advice)
    : warn(`snapshots only (save ${saves})`, advice);
}

/** Redis and its settings. */
export async function checkRedis(context: Context): Promise<Finding[]> {
  try {
    const redis = await context.redis();
    const info = parseInfo(await redis.info());
    return [checkVersion(info), checkEviction(info), await checkPersistence(redis, info)];
  } catch (error) {
    return [
      about('redis').fail(reasonOf(error), 'Check that it runs and that REDIS_URL names it.'),
    ];
  }
}
