/** One try to sign in: from where, at which account. */
export interface Attempt {
  clientIp: string | null;
  /** Names the account without telling it: a user id, or what was typed where there is no user. */
  account: string;
}

export interface TakenAttempt {
  refusedBy: 'address' | 'account' | null;
  /** Seconds until a further try makes sense; 0 when this one is allowed. */
  retryAfter: number;
  /** When the account opens again, if this try, should it fail, is the last one for now. */
  lockedUntil: Date | null;
}

/** Budgets of failed tries. Each try is taken first and given back on success, so that
 * guesses in parallel get no more tries than guesses in a row. */
export interface AttemptLimits {
  take(attempt: Attempt): Promise<TakenAttempt>;
  giveBack(attempt: Attempt): Promise<void>;
  /** Whether an account is closed for now by failed tries at it. */
  isLocked(account: string): Promise<boolean>;
}

/** A budget of tries; fits the limits of infra/rate-limits.ts. */
interface Budget {
  bucket: string;
  key: string;
  limit: number;
  windowMs: number;
  blockMs?: number;
}

interface RateLimits {
  hitAll(limits: readonly Budget[]): Promise<{
    allowed: boolean;
    states: { allowed: boolean; remaining: number; retryAfterSeconds: number }[];
  }>;
  release(limits: readonly Budget[]): Promise<void>;
  peek(limit: Budget): Promise<{ allowed: boolean }>;
}

const MINUTE = 60_000;

/** Failed tries from one address: six in five minutes, the seventh is refused. */
const ADDRESS = { bucket: 'login-address', limit: 6, windowMs: 5 * MINUTE };

/** Failed tries at one account: ten in fifteen minutes lock it for fifteen. */
const ACCOUNT = {
  bucket: 'login-account',
  limit: 10,
  windowMs: 15 * MINUTE,
  blockMs: 15 * MINUTE,
};

/**
 * The budgets of the contract, kept by address and by account.
 * @param addressKey maps an address to whoever has it whole: IPv6 by its /64
 */
export function createAttemptLimits(
  rateLimits: RateLimits,
  clock: { now(): number },
  addressKey: (ip: string | null) => string,
): AttemptLimits {
  const budgetsOf = ({ clientIp, account }: Attempt): [Budget, Budget] => [
    { ...ADDRESS, key: addressKey(clientIp) },
    { ...ACCOUNT, key: account },
  ];
  return {
    async take(attempt) {
      const { allowed, states } = await rateLimits.hitAll(budgetsOf(attempt));
      const [address, account] = states;
      if (!allowed) {
        const isAddress = address?.allowed === false;
        const refusing = isAddress ? address : account;
        return {
          refusedBy: isAddress ? 'address' : 'account',
          retryAfter: refusing?.retryAfterSeconds ?? 1,
          lockedUntil: null,
        };
      }
      const isLast = account?.remaining === 0;
      const lockedUntil = isLast ? new Date(clock.now() + ACCOUNT.blockMs) : null;
      return { refusedBy: null, retryAfter: 0, lockedUntil };
    },
    isLocked: async (account) => !(await rateLimits.peek({ ...ACCOUNT, key: account })).allowed,
    giveBack: (attempt) => rateLimits.release(budgetsOf(attempt)),
  };
}
