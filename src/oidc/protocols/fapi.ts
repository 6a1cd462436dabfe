import { isFapi } from '../fapi-profile.ts';
import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** The FAPI 2.0 security profile, for clients that are registered with it. */
export const fapi = (_deps: ProviderDeps) =>
  ({
    fapi: {
      enabled: true,
      profile: (_ctx, client) => (isFapi(client) ? '2.0' : undefined),
    },
  }) satisfies Features;
