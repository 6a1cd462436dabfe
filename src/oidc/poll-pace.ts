import type { Redis } from 'ioredis';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Clock } from '../kernel/clock.ts';
import { sha256 } from '../kernel/crypto.ts';

/** Seconds between two polls (RFC 8628 3.2, CIBA Core 7.3), and what each one too soon adds. */
const INTERVAL = 5;

/** Milliseconds that a poll may come early: the network does not keep a client's pace. */
const TOLERANCE = 1_000;

/** Seconds that a pace is remembered: as long as what is polled for lives at most. */
const MEMORY = 900;

/**
 * KEYS: pace of one code. ARGV: now (ms), interval (s), tolerance (ms), memory (s).
 * 1 when the poll came too soon; then the interval has grown (RFC 8628 3.5).
 */
const POLL = `
local last, interval = unpack(redis.call('HMGET', KEYS[1], 'last', 'interval'))
interval = tonumber(interval or ARGV[2])
local soon = last and tonumber(ARGV[1]) - tonumber(last) < interval * 1000 - tonumber(ARGV[3])
if soon then interval = interval + tonumber(ARGV[2]) end
redis.call('HSET', KEYS[1], 'last', ARGV[1], 'interval', interval)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return soon and 1 or 0
`;

interface Commands {
  gatehousePoll(key: string, ...args: number[]): Promise<number>;
}

/** How fast clients poll for what a person has yet to decide. */
export interface PollPace {
  /** Notes a poll. @returns whether it came sooner than the interval allows */
  isTooSoon(code: string): Promise<boolean>;
}

export function createPollPace({ redis, clock }: { redis: Redis; clock: Clock }): PollPace {
  redis.defineCommand('gatehousePoll', { numberOfKeys: 1, lua: POLL });
  const commands = redis as Redis & Commands;
  return {
    async isTooSoon(code) {
      const key = `oidc:poll:{${sha256(code).toString('hex')}}`;
      const now = Math.floor(clock.now());
      return (await commands.gatehousePoll(key, now, INTERVAL, TOLERANCE, MEMORY)) === 1;
    },
  };
}

type Answer = Record<string, unknown>;

const isPending = (body: Answer): boolean => body.error === 'authorization_pending';

/** What a client polls with, of either grant. */
function polledCode({ params }: KoaContextWithOIDC['oidc']): string | undefined {
  const code = params?.device_code ?? params?.auth_req_id;
  return typeof code === 'string' ? code : undefined;
}

/**
 * Completes the answers around polling, which the engine leaves bare: the
 * interval is named, `slow_down` answers who does not keep it (RFC 8628 3.5,
 * CIBA Core 11), and addresses for people are those of the issuer, whatever
 * host the client came by.
 */
export function completePollAnswers(
  provider: Provider,
  { issuer, pace }: { issuer: string; pace: PollPace },
): void {
  const toIssuer = (value: unknown): string => {
    const { pathname, search } = new URL(String(value));
    return `${issuer}${pathname}${search}`;
  };
  provider.use(async (ctx, next) => {
    await next();
    const { oidc } = ctx as Partial<KoaContextWithOIDC>;
    const body = ctx.body as Answer | undefined;
    if (!oidc || typeof body !== 'object' || body === null) return;
    if (body.device_code !== undefined) {
      body.verification_uri = toIssuer(body.verification_uri);
      body.verification_uri_complete = toIssuer(body.verification_uri_complete);
      body.interval = INTERVAL;
    }
    if (body.auth_req_id !== undefined) body.interval = INTERVAL;
    const code = isPending(body) ? polledCode(oidc) : undefined;
    if (code !== undefined && (await pace.isTooSoon(code))) {
      ctx.body = { error: 'slow_down', error_description: 'wait longer between two polls' };
    }
  });
}
