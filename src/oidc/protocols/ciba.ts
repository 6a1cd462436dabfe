import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Client-initiated backchannel authentication (OpenID Connect CIBA Core 1.0). */
export const ciba = (_deps: ProviderDeps) => ({}) satisfies Features;
