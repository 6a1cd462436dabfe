import { errors, Provider } from 'oidc-provider';
import type { LimitState, RateLimits } from '../../infra/rate-limits.ts';
import { currentRequest } from '../../kernel/current-request.ts';

const MINUTE = 60_000;

/** Codes that one address may get wrong, in any quarter of an hour. */
const ADDRESS = { bucket: 'user-code-address', limit: 10, windowMs: 15 * MINUTE };

/** Codes that one browser may get wrong before it waits. */
const BROWSER = { bucket: 'user-code-browser', limit: 5, windowMs: 5 * MINUTE };

const TOO_MANY = 429;

/** Too many wrong user codes came from here; the page says when to go on. */
export class TooManyGuesses extends errors.CustomOIDCProviderError {
  /** Seconds. */
  readonly retryAfter: number;
  override readonly allow_redirect = false;
  constructor(states: readonly LimitState[]) {
    super('access_denied', 'too many wrong codes');
    this.retryAfter = Math.max(1, ...states.map((state) => state.retryAfterSeconds));
    this.status = TOO_MANY;
    this.statusCode = TOO_MANY;
    this.expose = true;
  }
}

/** A member of the engine's model that its types leave out. */
interface PatchableDeviceCode {
  findByUserCode(userCode: string, options?: object): Promise<object | undefined>;
}

/**
 * Bounds how often user codes can be guessed (RFC 8628 5.1). A code has 20^8
 * values and lives ten minutes: with ten wrong ones per address in a quarter of
 * an hour, a guess hits one given code with a chance of 2^-31.
 *
 * A place is taken before the code is looked up and given back when it was
 * right, so that guesses in parallel get no more tries than guesses in a row.
 * @param options `addressKey` maps an address to whoever has it whole
 */
export function limitUserCodeGuesses(
  provider: Provider,
  options: {
    rateLimits: Pick<RateLimits, 'reserve'>;
    addressKey(ip: string | null): string;
  },
): void {
  const model = provider.DeviceCode as unknown as PatchableDeviceCode;
  const { findByUserCode } = model;
  model.findByUserCode = async function findWithinBudget(userCode, ...rest) {
    const session = Provider.ctx?.oidc.session?.uid;
    const place = await options.rateLimits.reserve([
      { ...ADDRESS, key: options.addressKey(currentRequest()?.clientIp ?? null) },
      ...(session ? [{ ...BROWSER, key: session }] : []),
    ]);
    if (!place.allowed) throw new TooManyGuesses(place.states);
    const found = await findByUserCode.call(this, userCode, ...rest);
    if (found) await place.release();
    return found;
  };
}
