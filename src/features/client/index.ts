/**
 * OAuth clients as data: registration metadata, kept byte-stable for the
 * engine's cache, and the secret apart from it.
 * Must not interpret the metadata; the engine validates and uses it.
 */

export { type ClientMetadata, type NewClient, newClient, type StoredClient } from './schema.ts';
export { type ClientService, createClientService } from './service.ts';
