import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** The FAPI 2.0 security profile, for clients that are registered with it. */
export const fapi = (_deps: ProviderDeps) => ({}) satisfies Features;
