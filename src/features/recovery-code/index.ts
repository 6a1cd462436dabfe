/**
 * Recovery codes: ten secrets on paper, each of which takes the place of a second
 * factor once. Must not decide when one is due.
 */
export { readCode, toGroups } from './codes.ts';
export { createRecoveryCodes, type RecoveryCodeDeps } from './service.ts';
