/**
 * Resource servers: the APIs that access tokens are issued for, with their
 * scopes and what their tokens look like. The platform's own API is not among
 * them; the engine knows it by itself.
 * Must not know clients; the engine decides who gets a token for which.
 */

export {
  type NewResourceServer,
  type ResourceScope,
  type ResourceServer,
  type ResourceServerName,
  type ResourceServerUpdate,
  scopeDescription,
} from './schema.ts';
export { createResourceServerService, type ResourceServerService } from './service.ts';
