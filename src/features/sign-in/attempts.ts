/** One try to sign in: from where, at which account. */
export interface Attempt {
  clientIp: string | null;
  /** Names the account without telling it: a user id, or what was typed where there is no user. */
  account: string;
  /** A browser that the account has signed in from before. */
  device: string | null;
}

export interface TakenAttempt {
  refusedBy: 'address' | 'account' | null;
  /** Seconds until a further try makes sense; 0 when this one is allowed. */
  retryAfter: number;
  /** When the account opens again, if this try, should it fail, is the last one for now. */
  lockedUntil: Date | null;
  /** The budget of the address, for RateLimit headers; null unless that refused. */
  addressState: BudgetState | null;
  /** Gives the try back: it was none, or was no failure. */
  giveBack(): Promise<void>;
}

/** Budgets of failed tries. Each try is taken first and given back on success, so that
 * guesses in parallel get no more tries than guesses in a row. */
export interface AttemptLimits {
  take(attempt: Attempt): Promise<TakenAttempt>;
  /** Whether an account is closed for now by failed tries at it, seen from this browser. */
  isLocked(account: string, device: string | null): Promise<boolean>;
  /** Opens an account, and its budgets of these browsers. */
  unlock(account: string, devices: readonly string[]): Promise<void>;
}

/** A budget of tries; fits the limits of infra/rate-limits.ts. */
interface Budget {
  bucket: string;
  key: string;
  limit: number;
  windowMs: number;
  blockMs?: number;
}

/** What is left of a budget; fits the states of infra/rate-limits.ts. */
interface BudgetState {
  allowed: boolean;
  limit: number;
  remaining: number;
  retryAfterSeconds: number;
  resetSeconds: number;
}

interface RateLimits {
  hitAll(limits: readonly Budget[]): Promise<{ allowed: boolean; states: BudgetState[] }>;
  release(limits: readonly Budget[]): Promise<void>;
  peek(limit: Budget): Promise<{ allowed: boolean }>;
  reset(limit: Pick<Budget, 'bucket' | 'key'>): Promise<void>;
}

const MINUTE = 60_000;

/** What is tried: a password or what stands for it, or a second factor after it. */
export type AttemptKind = 'login' | 'mfa';

/** Failed tries from one address: six in five minutes, the seventh is refused. */
const ADDRESS = { limit: 6, windowMs: 5 * MINUTE };

/** Failed tries at one account: ten in fifteen minutes lock it for fifteen. */
const ACCOUNT = { limit: 10, windowMs: 15 * MINUTE, blockMs: 15 * MINUTE };

/** The budgets of one kind of tries. */
const budgetsOf = (kind: AttemptKind) => ({
  address: (key: string): Budget => ({ ...ADDRESS, bucket: `${kind}-address`, key }),
  account: (key: string): Budget => ({ ...ACCOUNT, bucket: `${kind}-account`, key }),
  /**
   * Failed tries at one account from a browser that it has signed in from before
   * (OWASP device cookies): a stranger cannot use these up, and whoever steals the
   * cookie gets no more of them than this.
   */
  device: (account: string, device: string): Budget => ({
    ...ACCOUNT,
    bucket: `${kind}-device`,
    key: `${account}\0${device}`,
  }),
});

/** Tells of an attempt that was refused, in the order of the budgets: the address first. */
function refusal([address, account]: BudgetState[]): TakenAttempt {
  const isAddress = address?.allowed === false;
  const refusing = isAddress ? address : account;
  return {
    refusedBy: isAddress ? 'address' : 'account',
    retryAfter: refusing?.retryAfterSeconds ?? 1,
    lockedUntil: null,
    addressState: isAddress ? address : null,
    giveBack: async () => {},
  };
}

/**
 * The budgets of the contract, kept by address, by account, and by account and browser,
 * for each kind of tries.
 * @param addressKey maps an address to whoever has it whole: IPv6 by its /64
 */
export function createAttemptLimits(
  rateLimits: RateLimits,
  clock: { now(): number },
  addressKey: (ip: string | null) => string,
  kind: AttemptKind = 'login',
): AttemptLimits {
  const budget = budgetsOf(kind);

  async function takeFrom(budgets: [Budget, Budget]): Promise<TakenAttempt> {
    const { allowed, states } = await rateLimits.hitAll(budgets);
    if (!allowed) return refusal(states);
    const locks = budgets[1].bucket === `${kind}-account` && states[1]?.remaining === 0;
    return {
      refusedBy: null,
      retryAfter: 0,
      lockedUntil: locks ? new Date(clock.now() + ACCOUNT.blockMs) : null,
      addressState: null,
      giveBack: () => rateLimits.release(budgets),
    };
  }

  const isOpen = async (one: Budget): Promise<boolean> => (await rateLimits.peek(one)).allowed;

  return {
    async take({ clientIp, account, device }) {
      const ofAddress = budget.address(addressKey(clientIp));
      const ofAccount = budget.account(account);
      const ofDevice = device === null ? undefined : budget.device(account, device);
      const own = ofDevice && (await takeFrom([ofAddress, ofDevice]));
      if (own && own.refusedBy !== 'account') return own;
      // A browser that has used up what is its own is like any other.
      const taken = await takeFrom([ofAddress, ofAccount]);
      // Trying a closed account costs as much as any other, and no address may do so for ever.
      if (taken.refusedBy === 'account') await rateLimits.hitAll([ofAddress]);
      return taken;
    },
    async isLocked(account, device) {
      if (device !== null && (await isOpen(budget.device(account, device)))) return false;
      return !(await isOpen(budget.account(account)));
    },
    async unlock(account, devices) {
      const own = devices.map((device) => budget.device(account, device));
      await Promise.all([budget.account(account), ...own].map((one) => rateLimits.reset(one)));
    },
  };
}

/** Of the budget of an address; for the headers that tell of it. */
export const ADDRESS_POLICY = { limit: ADDRESS.limit, windowMs: ADDRESS.windowMs };
