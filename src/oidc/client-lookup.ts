import type { Client, Provider } from 'oidc-provider';
import type { ClientService, StoredClient } from '../features/client/index.ts';
import { constantTimeEqual, sha256 } from '../kernel/crypto.ts';

/** Members of the engine's Client that its types leave out. */
interface PatchableClient {
  find(id: unknown): Promise<Client | undefined>;
  prototype: { compareClientSecret(this: Client, actual: string): Promise<boolean> };
}

/** Ties the engine's clients to the stored ones. */
export interface ClientLookup {
  /** The stored client that the engine's was made of. */
  storedOf(client: Client): Promise<StoredClient | undefined>;
  /** Makes an engine find its clients, and compare their secrets, this way. */
  patch(provider: Provider): void;
}

/**
 * Upstream hashes the metadata of a client at every look-up, to see whether it
 * changed. Ours come from a cache that is a second behind at most, so that the
 * same object means the same client; and what the engine has found need not be
 * looked up again within the request.
 */
export function createClientLookup(clients: Pick<ClientService, 'find'>): ClientLookup {
  const made = new WeakMap<StoredClient, Client>();
  const sources = new WeakMap<Client, StoredClient>();
  const storedOf = async (client: Client): Promise<StoredClient | undefined> =>
    sources.get(client) ?? clients.find(client.clientId);

  return {
    storedOf,
    patch(provider) {
      const Model = provider.Client as unknown as PatchableClient;
      const { find } = Model;
      Model.find = async function findKnown(id) {
        const stored = typeof id === 'string' && id !== '' ? await clients.find(id) : undefined;
        if (!stored) return find.call(this, id);
        const client = made.get(stored) ?? (await find.call(this, id));
        if (!client) return undefined;
        made.set(stored, client);
        // The engine keeps a client whose metadata are the same; its secret may be another.
        sources.set(client, stored);
        return client;
      };
      // Secrets are kept as hashes, so the engine's comparison of clear ones is replaced.
      Model.prototype.compareClientSecret = async function compare(actual) {
        const stored = await storedOf(this);
        return stored?.secretHash ? constantTimeEqual(sha256(actual), stored.secretHash) : false;
      };
    },
  };
}
