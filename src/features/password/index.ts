/**
 * Passwords: which may be chosen. Must not decide who may sign in, nor hash:
 * that is the hasher's.
 */
export {
  createPasswordPolicy,
  LONGEST_PASSWORD,
  LONGEST_PASSWORD_INPUT,
  type PasswordFault,
  type PasswordFor,
  type PasswordPolicy,
  type Strength,
} from './policy.ts';
