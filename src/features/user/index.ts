/**
 * Users: one row in a home tenant, memberships in others, a password.
 * Must not decide who may sign in; that is sign-in's business.
 */

export type { Address } from './address-repository.ts';
export { type Addresses, createAddresses } from './addresses.ts';
export { userEvents } from './events.ts';
export { type Identifier, parseIdentifier } from './identifier.ts';
export { userRoutes } from './routes.ts';
export {
  describeUser,
  type NewUser,
  newUser,
  type User,
  type UserStatus,
  userStatuses,
} from './schema.ts';
export { createUserService, type ImportedHash, type UserService } from './service.ts';
