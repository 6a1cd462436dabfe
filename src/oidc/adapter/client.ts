import type { AdapterPayload } from 'oidc-provider';
import { type ModelAdapter, unsupported } from './model-adapter.ts';

/** Where clients are found, and saved when they register themselves. */
export interface ClientStore {
  /** Registration metadata (RFC 7591 names), byte for byte the same while unchanged. */
  find(clientId: string): Promise<AdapterPayload | undefined>;
  upsert(clientId: string, metadata: AdapterPayload): Promise<void>;
  destroy(clientId: string): Promise<void>;
}

export const createClientAdapter = (store: ClientStore): ModelAdapter => ({
  ...unsupported('Client'),
  find: (id) => store.find(id),
  upsert: (id, payload) => store.upsert(id, payload),
  destroy: (id) => store.destroy(id),
});
