import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** How an authorization may be asked for and answered: PAR, JAR, JARM, `claims`. */
export const requests = (_deps: ProviderDeps) =>
  ({
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
    jwtResponseModes: { enabled: true },
    claimsParameter: { enabled: true },
  }) satisfies Features;
