import { isFapi } from '../fapi-profile.ts';
import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Tokens that only their holder can use: DPoP (RFC 9449) and mutual TLS (RFC 8705). */
export const senderConstraints = ({ config, dpopSecret }: ProviderDeps) =>
  ({
    dPoP: {
      enabled: true,
      // Offered to all: a proof made in advance, or by a clock that is wrong, is of no use then.
      nonceSecret: dpopSecret,
      requireNonce: ({ oidc }) => config.DPOP_NONCE_REQUIRED || isFapi(oidc.client),
    },
  }) satisfies Features;
