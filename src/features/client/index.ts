/**
 * OAuth clients as data: registration metadata, kept byte-stable for the
 * engine's cache, and the secrets apart from them.
 * Must not interpret the metadata; the engine validates and uses it.
 */

export {
  ACCOUNT_CLIENT_ID,
  API_CLIENT_ID,
  API_SCOPE,
  isBuiltIn,
  PAGES_CLIENT_ID,
  withBuiltInClients,
} from './built-in.ts';
export type { ClaimRegistration } from './registrations.ts';
export {
  type ClientDetails,
  type ClientMetadata,
  type ClientName,
  type ClientUpdate,
  type NewClient,
  newClient,
  type SecretRotation,
  type StoredClient,
} from './schema.ts';
export { type ClientService, createClientService, type WithSecret } from './service.ts';
