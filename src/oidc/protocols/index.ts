import type { Configuration } from 'oidc-provider';
import type { ProviderDeps } from '../provider.ts';
import { ciba } from './ciba.ts';
import { deviceFlow } from './device-flow.ts';
import { fapi } from './fapi.ts';
import { logout } from './logout.ts';
import { registration } from './registration.ts';
import { requests } from './requests.ts';
import { richRequests } from './rich-requests.ts';
import { senderConstraints } from './sender-constraints.ts';
import { tokens } from './tokens.ts';

/** Options of the engine's features, as one part of the protocol surface sets them. */
export type Features = NonNullable<Configuration['features']>;

/** Every protocol that is switched on, by the part of the surface that it belongs to. */
export const createFeatures = (deps: ProviderDeps): Features => ({
  devInteractions: { enabled: false },
  ...tokens(deps),
  ...requests(deps),
  ...richRequests(deps),
  ...senderConstraints(deps),
  ...deviceFlow(deps),
  ...ciba(deps),
  ...registration(deps),
  ...logout(deps),
  ...fapi(deps),
});
