import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Tokens that only their holder can use: DPoP (RFC 9449) and mutual TLS (RFC 8705). */
export const senderConstraints = (_deps: ProviderDeps) =>
  ({
    dPoP: { enabled: true },
  }) satisfies Features;
