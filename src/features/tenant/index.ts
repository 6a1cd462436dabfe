/**
 * Tenants: organisations that own users and clients. The platform is itself a
 * tenant (`isPlatform`), so that nothing is ever without one.
 * Must not know users, clients or sign-in.
 */

export {
  type AttributeSchema,
  type ListSchema,
  MOST_BYTES,
  type ObjectSchema,
  type ScalarSchema,
} from './attribute-schema.ts';
export { type Tenant, tenantSlug } from './schema.ts';
export { createTenantService, PLATFORM_SLUG, type TenantService } from './service.ts';
export {
  type TenantSettings,
  type TenantSettingsPatch,
  tenantSettings,
  tenantSettingsPatch,
} from './settings.ts';
