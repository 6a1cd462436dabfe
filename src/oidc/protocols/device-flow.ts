import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** The device authorization grant (RFC 8628). */
export const deviceFlow = (_deps: ProviderDeps) => ({}) satisfies Features;
