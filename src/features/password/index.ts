/**
 * Passwords: which may be chosen, how one that was forgotten is replaced, and how
 * one is changed. Must not decide who may sign in, nor sign anybody in.
 */
export { passwordConsumers } from './consumers.ts';
export {
  createPasswordPolicy,
  LONGEST_PASSWORD,
  LONGEST_PASSWORD_INPUT,
  type PasswordFault,
  type PasswordFor,
  type PasswordPolicy,
  type Strength,
} from './policy.ts';
export { RESET_PASSWORD, type RecoveryClaim } from './recovery.ts';
export { passwordRoutes } from './routes.ts';
export { createPasswordService, type PasswordService } from './service.ts';
