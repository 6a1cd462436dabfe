/**
 * Users: one row in a home tenant, memberships in others, a password; their states
 * from sign-up to erasure. Must not decide who may sign in; that is sign-in's business.
 */

export type { Address } from './address-repository.ts';
export { type Addresses, createAddresses } from './addresses.ts';
export { checkAttributes } from './attributes.ts';
export { createDataExport } from './data-export.ts';
export { userEvents } from './events.ts';
export { type Identifier, parseIdentifier } from './identifier.ts';
export { follow, type TransitionName, transitions } from './lifecycle.ts';
export { createUserLifecycle, UNPROVEN_LIFE, type UserLifecycle } from './lifecycle-service.ts';
export type { Target } from './profile.ts';
export { type UserRouteDeps, userRoutes } from './routes.ts';
export {
  attributes,
  describeUser,
  emailAddress,
  mayHoldTokens,
  type NewUser,
  newUser,
  type Profile,
  type ProfilePatch,
  phoneNumber,
  profileFields,
  profilePatch,
  type User,
  type UserStatus,
  userName,
  userStatuses,
  wordsOf,
} from './schema.ts';
export { createUserService, type ImportedHash, type UserService } from './service.ts';
