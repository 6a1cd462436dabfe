import { randomInt } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Clock } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { isDependencyFailure } from '../kernel/http/index.ts';
import type { Lookups } from './lookups.ts';
import { REQUEST, VERIFY } from './one-time-code-scripts.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/**
 * What codes are for, and how long each lives in milliseconds. Those that sign
 * somebody in or come by SMS live ten minutes at most (ASVS 6.5.5).
 */
const LIVES = {
  'verify-email': 15 * MINUTE,
  'verify-phone': 10 * MINUTE,
  'forgot-password': 10 * MINUTE,
  'email-auth': 10 * MINUTE,
  'phone-auth': 5 * MINUTE,
  'add-email': 15 * MINUTE,
  'add-phone': 10 * MINUTE,
  'mfa-email': 10 * MINUTE,
  'mfa-sms': 5 * MINUTE,
} as const;

export type CodeNamespace = keyof typeof LIVES;
export const CODE_NAMESPACES = Object.keys(LIVES) as CodeNamespace[];

/** The longest life of those whose default is shorter than the fifteen minutes of the others. */
const LONGEST = { short: 10 * MINUTE, long: 15 * MINUTE };
const SHORTEST = 5 * MINUTE;

const COOLDOWN = 60_000;
const DAILY_QUOTA = 10;
const MOST_WRONG = 5;
const LOCKOUT = 15 * MINUTE;

/** Whose code it is, and what it opens. */
export interface CodeOptions {
  /**
   * What the code is good for beside its identifier, such as the id of the user
   * who was found or the address that is to be added: with another it is wrong.
   */
  boundTo?: string;
  /**
   * A browser that is known to be the owner's. It has a code, a cooldown, a
   * quota and a lockout of its own, so that a stranger cannot use them up.
   */
  browser?: string | undefined;
}

export interface RequestedCode {
  /** Six digits. */
  code: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** How long it is good for, for the message that it is sent in. */
  minutes: number;
}

/**
 * Codes that are sent to people and typed by them. `id` says whose: by
 * convention `email:` or `phone:` and the normalised address that the code goes
 * to, or `user:` and an id; it is digested before it is stored. Ask alike for
 * identifiers that nobody has: what is answered then tells nothing.
 */
export interface OneTimeCodes {
  /**
   * Makes a code in place of an older one.
   * @param options `ttl` milliseconds, 5 to 15 minutes
   * @throws AppError IDENT_RATE_LIMITED within a minute of the last one and after ten in
   *   24 hours, IDENT_LOCKED after five wrong tries, IDENT_UNAVAILABLE
   */
  request(
    namespace: CodeNamespace,
    id: string,
    options?: CodeOptions & { ttl?: number },
  ): Promise<RequestedCode>;
  /**
   * Uses a code up.
   * @throws AppError IDENT_TOKEN_SPENT when it is wrong, expired, used or was never
   *   there, IDENT_LOCKED after five wrong tries, IDENT_UNAVAILABLE
   */
  verify(namespace: CodeNamespace, id: string, code: string, options?: CodeOptions): Promise<void>;
  /** Lifts the lockout, the cooldown and the used-up quota: an operator does. */
  unlock(namespace: CodeNamespace, id: string): Promise<void>;
}

export type CodeResult =
  | 'sent'
  | 'cooldown'
  | 'quota'
  | 'locked'
  | 'verified'
  | 'wrong'
  | 'closed'
  | 'spent';

type Reply = Promise<[CodeResult, number]>;
type Arguments = (string | number)[];

interface Commands {
  gatehouseCodeRequest(...args: Arguments): Reply;
  gatehouseCodeVerify(...args: Arguments): Reply;
}

export interface OneTimeCodesOptions {
  /** Fails fast while down. */
  redis: Redis;
  clock: Clock;
  lookups: Pick<Lookups, 'digest'>;
  /** Told what came of each call; `closed`: the last wrong try, the lockout begins. */
  onResult(namespace: CodeNamespace, result: CodeResult): void;
}

/** @throws RangeError for a length of time that the contract does not allow */
function within(value: number, shortest: number, longest: number): number {
  if (value >= shortest && value <= longest) return value;
  throw new RangeError(`${value} ms is not between ${shortest} and ${longest}`);
}

function lifeOf(namespace: CodeNamespace, ttl: number | undefined): number {
  const usual = LIVES[namespace];
  const longest = usual <= LONGEST.short ? LONGEST.short : LONGEST.long;
  return within(ttl ?? usual, SHORTEST, longest);
}

/** The refusals of the engine as errors of the contract. */
function assertDone([result, wait]: [CodeResult, number]): void {
  const retryAfter = Math.ceil(wait / 1_000);
  if (result === 'locked') throw new AppError('IDENT_LOCKED', { retryAfter });
  if (result === 'cooldown' || result === 'quota') {
    throw new AppError('IDENT_RATE_LIMITED', { retryAfter });
  }
  if (result !== 'sent' && result !== 'verified') throw new AppError('IDENT_TOKEN_SPENT');
}

/** Never a bypass: where Redis does not answer, nothing is decided (ASVS 16.5.3). */
function refuse(error: unknown): never {
  if (isDependencyFailure(error)) throw new AppError('IDENT_UNAVAILABLE', { cause: error });
  throw error;
}

/** Where everything of one identifier is kept: the braces keep it in one cluster slot. */
function createKeys({ lookups }: Pick<OneTimeCodesOptions, 'lookups'>) {
  return (namespace: CodeNamespace, id: string, { browser }: CodeOptions = {}) => {
    const whose = lookups.digest('code-owner', id).slice(0, 32);
    const own = browser
      ? `:${lookups.digest('code-owner', `browser ${browser}`).slice(0, 32)}`
      : '';
    const key = (what: string): string => `${namespace}:${what}:{${whose}}${own}`;
    return {
      code: key('otp'),
      lock: key('lock'),
      cooldown: key('cooldown'),
      daily: key('daily'),
    };
  };
}

/** The one-time code engine. Every decision is one script in Redis: without Redis there is none. */
export function createOneTimeCodes(options: OneTimeCodesOptions): OneTimeCodes {
  const { redis, clock, lookups } = options;
  redis.defineCommand('gatehouseCodeRequest', { numberOfKeys: 4, lua: REQUEST });
  redis.defineCommand('gatehouseCodeVerify', { numberOfKeys: 2, lua: VERIFY });
  const commands = redis as Redis & Commands;
  const keysOf = createKeys(options);
  const now = (): number => Math.floor(clock.now());

  const digestOf = (namespace: CodeNamespace, id: string, code: string, boundTo = ''): string =>
    lookups.digest('code', JSON.stringify([namespace, id, boundTo, code]));

  async function ask(namespace: CodeNamespace, reply: Reply): Promise<void> {
    const answer = await reply.catch(refuse);
    options.onResult(namespace, answer[0]);
    assertDone(answer);
  }

  return {
    async request(namespace, id, given = {}) {
      const life = lifeOf(namespace, given.ttl);
      const keys = keysOf(namespace, id, given);
      const code = String(randomInt(1_000_000)).padStart(6, '0');
      const expiresAt = now() + life;
      const reply = commands.gatehouseCodeRequest(
        ...[keys.code, keys.lock, keys.cooldown, keys.daily],
        ...[now(), digestOf(namespace, id, code, given.boundTo), expiresAt, life],
        ...[COOLDOWN, DAILY_QUOTA, 24 * HOUR],
      );
      await ask(namespace, reply);
      return { code, expiresAt, minutes: Math.floor(life / MINUTE) };
    },
    async verify(namespace, id, code, given = {}) {
      const keys = keysOf(namespace, id, given);
      const digest = digestOf(namespace, id, code, given.boundTo);
      const reply = commands.gatehouseCodeVerify(
        ...[keys.code, keys.lock],
        ...[now(), digest, MOST_WRONG, LOCKOUT],
      );
      await ask(namespace, reply);
    },
    async unlock(namespace, id) {
      const { lock, cooldown, daily } = keysOf(namespace, id);
      await redis.del(lock, cooldown, daily).catch(refuse);
    },
  };
}
