import { z } from 'zod';
import type { TenantSettings } from './settings.ts';

/** The short name of a tenant in URLs and the organisation field: a DNS label. */
export const tenantSlug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'use lower-case letters, digits and hyphens');

export const newTenant = z.strictObject({
  slug: tenantSlug,
  name: z.string().trim().min(1).max(200),
  colour: z
    .string()
    .regex(/^#[0-9a-f]{6}$/, 'must be #rrggbb in lower case')
    .nullable()
    .default(null),
  logoUrl: z
    .url({ protocol: /^https$/ })
    .nullable()
    .default(null),
  locale: z.enum(['en', 'vi']).default('en'),
});
export type NewTenant = z.input<typeof newTenant>;

export interface Tenant {
  id: string;
  slug: string;
  name: string;
  isPlatform: boolean;
  logoUrl: string | null;
  /** `#rrggbb` in lower case. */
  colour: string | null;
  locale: string;
  settings: TenantSettings;
}
