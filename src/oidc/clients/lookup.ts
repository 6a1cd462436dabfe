import type { Client, Provider } from 'oidc-provider';
import type { ClientMetadata, ClientService, StoredClient } from '../../features/client/index.ts';
import { constantTimeEqual, sha256 } from '../../kernel/crypto.ts';
import type { ClientDirectory } from './documents.ts';

/** Keys that the engine makes of a client's secret. */
interface KeyStore extends Iterable<object> {
  add(key: object): void;
  clear(): void;
}

/** Members of the engine's Client that its types leave out. */
interface PatchableClient {
  new (metadata: ClientMetadata): { symmetricKeyStore: KeyStore };
  find(id: unknown): Promise<(Client & { symmetricKeyStore: KeyStore }) | undefined>;
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
 * Makes the keys of a client those of its present secret and, after a rotation,
 * of the one before it, until that expires. The engine verifies with any of
 * them and signs with the first, which is of the present one.
 */
function createKeyRing(Model: PatchableClient) {
  const previousOf = new WeakMap<object, string>();
  return (client: { symmetricKeyStore: KeyStore }, stored: StoredClient): void => {
    const previous = stored.previousSecret ?? undefined;
    if (previousOf.get(client) === previous) return;
    const secrets = [stored.metadata.client_secret, ...(previous === undefined ? [] : [previous])];
    const keys = secrets.flatMap((client_secret) => [
      ...new Model({ ...stored.metadata, client_secret }).symmetricKeyStore,
    ]);
    client.symmetricKeyStore.clear();
    for (const key of keys) client.symmetricKeyStore.add(key);
    if (previous === undefined) previousOf.delete(client);
    else previousOf.set(client, previous);
  };
}

/**
 * Upstream hashes the metadata of a client at every look-up, to see whether it
 * changed. Ours come from a cache that is a second behind at most, so that the
 * same object means the same client; and what the engine has found need not be
 * looked up again within the request.
 * @param clients those that are registered
 * @param directory these, and those that a document describes
 */
export function createClientLookup(
  clients: Pick<ClientService, 'find'>,
  directory: Pick<ClientDirectory, 'find'>,
): ClientLookup {
  const made = new WeakMap<StoredClient, Client>();
  const sources = new WeakMap<Client, StoredClient>();
  const storedOf = async (client: Client): Promise<StoredClient | undefined> =>
    sources.get(client) ?? directory.find(client.clientId);

  return {
    storedOf,
    patch(provider) {
      const Model = provider.Client as unknown as PatchableClient;
      const { find } = Model;
      const matchKeys = createKeyRing(Model);
      Model.find = async function findKnown(id) {
        const stored = typeof id === 'string' && id !== '' ? await clients.find(id) : undefined;
        // Of clients that no row is about, upstream is asked for those that a document describes.
        if (!stored) {
          const isKnown = typeof id === 'string' && (await directory.find(id)) !== undefined;
          return isKnown ? find.call(this, id) : undefined;
        }
        const known = made.get(stored) as Awaited<ReturnType<typeof find>>;
        if (known) return known;
        const client = await find.call(this, id);
        if (!client) return undefined;
        matchKeys(client, stored);
        made.set(stored, client);
        // The engine keeps a client whose metadata are the same; its secrets may be others.
        sources.set(client, stored);
        return client;
      };
      // Secrets are kept as hashes, so the engine's comparison of clear ones is replaced.
      Model.prototype.compareClientSecret = async function compare(actual) {
        const hash = sha256(actual);
        const stored = await storedOf(this);
        // All are compared, so that the time does not tell which of them it was.
        const matches = (stored?.secretHashes ?? []).map((one) => constantTimeEqual(hash, one));
        return matches.includes(true);
      };
    },
  };
}
