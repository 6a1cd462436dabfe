import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** RP-initiated and back-channel logout. */
export const logout = ({ pages }: ProviderDeps) =>
  ({
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: pages.logoutSource,
      postLogoutSuccessSource: pages.postLogoutSuccessSource,
    },
    backchannelLogout: { enabled: true },
  }) satisfies Features;
