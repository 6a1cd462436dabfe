import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Clients that register themselves (RFC 7591, 7592), or are named by a document of theirs. */
export const registration = (_deps: ProviderDeps) => ({}) satisfies Features;
