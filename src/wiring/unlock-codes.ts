import type { User } from '../features/user/index.ts';
import { CODE_NAMESPACES, type OneTimeCodes } from '../infra/one-time-codes.ts';

/** Lifts every lockout of one-time codes that concerns a user, whichever identifier it was for. */
export const createUnlockCodes =
  (codes: Pick<OneTimeCodes, 'unlock'>) =>
  async ({ id, email, phone, username }: User): Promise<void> => {
    const ids = [
      `user:${id}`,
      ...(email === null ? [] : [`email:${email.toLowerCase()}`]),
      ...(phone === null ? [] : [`phone:${phone}`]),
      ...(username === null ? [] : [`username:${username.toLowerCase()}`]),
    ];
    const all = CODE_NAMESPACES.flatMap((namespace) => ids.map((one) => [namespace, one] as const));
    await Promise.all(all.map(([namespace, one]) => codes.unlock(namespace, one)));
  };
