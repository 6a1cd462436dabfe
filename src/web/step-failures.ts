import type { Context } from 'koa';
import { AppError } from '../kernel/errors.ts';
import type { FormError } from '../pages/index.ts';

/** Why a step did not go through, as its page tells it. */
export interface StepFailure {
  status: number;
  error: FormError;
}

/** Seconds of the pause between two codes; a longer wait is told in minutes. */
const PAUSE = 60;

const MESSAGES: Partial<Record<AppError['code'], string>> = {
  IDENT_RATE_LIMITED: 'sign-in.error.rate-limited',
  IDENT_LOCKED: 'sign-in.error.locked',
  IDENT_HASH_BUSY: 'sign-in.error.busy',
  IDENT_UNAVAILABLE: 'step.error.unavailable',
  IDENT_TOKEN_SPENT: 'code.error.wrong',
};

/** Whether a code was sent a moment ago, so that there is one to be typed. */
export const isPause = (error: unknown): error is AppError =>
  error instanceof AppError &&
  error.code === 'IDENT_RATE_LIMITED' &&
  (error.options.retryAfter ?? Number.POSITIVE_INFINITY) <= PAUSE;

/**
 * A page's words for what was refused, with Retry-After where there is one.
 * @throws the error itself when it is none that a person can act on here
 */
export function toStepFailure(ctx: Context, error: unknown): StepFailure {
  const id = error instanceof AppError ? MESSAGES[error.code] : undefined;
  if (!(error instanceof AppError) || !id) throw error;
  const { retryAfter, headers } = error.options;
  if (headers) ctx.set(headers);
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  const seconds = retryAfter ?? PAUSE;
  const values = { seconds, minutes: Math.max(1, Math.ceil(seconds / 60)) };
  return { status: error.status, error: { id: isPause(error) ? 'code.error.wait' : id, values } };
}

/** Why a new password is refused, by the `reason` of the policy. */
const FAULTS: Record<string, string> = {
  too_short: 'password.error.short',
  too_long: 'password.error.long',
  common: 'password.error.easy',
  context: 'password.error.personal',
  breached: 'password.error.breached',
};

/** A page's words for a password that the policy refused; undefined for any other error. */
export function toPasswordError(error: unknown, minLength: number): FormError | undefined {
  if (!(error instanceof AppError)) return undefined;
  if (error.code !== 'IDENT_WEAK_PASSWORD' && error.code !== 'IDENT_BREACHED_PASSWORD') {
    return undefined;
  }
  const id = FAULTS[String(error.options.extensions?.reason)] ?? 'password.error.easy';
  return { id, values: { min: minLength } };
}
