import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  follow,
  type TransitionName,
  transitions,
  type UserStatus,
  userStatuses,
} from '../../../src/features/user/index.ts';
import { AppError } from '../../../src/kernel/errors.ts';
import fc from '../../helpers/fast-check.ts';

const names = Object.keys(transitions) as TransitionName[];

/** The table of the contract, written once more. */
const ALLOWED: Record<UserStatus, Partial<Record<TransitionName, UserStatus>>> = {
  pending_verification: { activate: 'active', deactivate: 'deactivated' },
  active: { suspend: 'suspended', deactivate: 'deactivated' },
  suspended: { reactivate: 'active', deactivate: 'deactivated' },
  deactivated: {},
};

const tryFollow = (status: UserStatus, name: TransitionName): UserStatus | string => {
  try {
    return follow(status, name);
  } catch (error) {
    assert.ok(error instanceof AppError);
    return error.code;
  }
};

test('a user goes from state to state only by the transitions of the table', () => {
  for (const status of userStatuses) {
    for (const name of names) {
      assert.equal(
        tryFollow(status, name),
        ALLOWED[status][name] ?? 'IDENT_INVALID_TRANSITION',
        `${name} of ${status}`,
      );
    }
  }
});

test('whatever is tried in whatever order, an erased user stays erased and nobody is pending again', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...userStatuses),
      fc.array(fc.constantFrom(...names), { maxLength: 30 }),
      (start, steps) => {
        let status: UserStatus = start;
        for (const name of steps) {
          const next = tryFollow(status, name);
          if (next === 'IDENT_INVALID_TRANSITION') continue;
          assert.notEqual(status, 'deactivated');
          assert.notEqual(next, 'pending_verification');
          status = next as UserStatus;
        }
      },
    ),
  );
});
