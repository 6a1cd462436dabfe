import { AppError } from '../../kernel/errors.ts';
import type { UserStatus } from './schema.ts';

interface Transition {
  from: readonly UserStatus[];
  to: UserStatus;
}

/** Every way from one state of a user to another; there are no others. */
export const transitions = {
  activate: { from: ['pending_verification'], to: 'active' },
  suspend: { from: ['active'], to: 'suspended' },
  reactivate: { from: ['suspended'], to: 'active' },
  /** Erasure, from which nothing leads back. */
  deactivate: { from: ['pending_verification', 'active', 'suspended'], to: 'deactivated' },
} as const satisfies Record<string, Transition>;
export type TransitionName = keyof typeof transitions;

/**
 * The state that a transition leads to.
 * @throws AppError IDENT_INVALID_TRANSITION when it does not begin in this one
 */
export function follow(status: UserStatus, name: TransitionName): UserStatus {
  const { from, to }: Transition = transitions[name];
  if (from.includes(status)) return to;
  throw new AppError('IDENT_INVALID_TRANSITION', {
    detail: `Not possible for an account that is ${status.replace('_', ' ')}.`,
  });
}
