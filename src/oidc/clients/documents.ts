import { type Client, errors, type Provider } from 'oidc-provider';
import type { Config } from '../../config.ts';
import type { ClientService, StoredClient } from '../../features/client/index.ts';
import type { TenantService } from '../../features/tenant/index.ts';
import { ipBucket, type RateLimits } from '../../infra/rate-limits.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import { orUnavailable } from '../dependency-errors.ts';
import type { Features } from '../protocols/index.ts';
import { assertSelfRegistrable } from './registration-policy.ts';

/**
 * Clients that nobody registered: their id is the https address of a document
 * that describes them (OAuth Client ID Metadata Document). They belong to the
 * platform, are never first-party, and people are asked each time. An operator
 * shuts one out by a disabled client of that id.
 */

/** Documents that requests of one address (IPv6: one /64) make us read in a minute. */
const PER_ADDRESS = { limit: 30, windowMs: 60_000 };

/** Seconds that a document is kept: what its host says, within these. */
const KEPT = { min: 60, max: 3_600 };

type Settings = Pick<Config, 'CLIENT_ID_METADATA_DOCUMENTS' | 'CLIENT_ID_METADATA_HOSTS'>;

/** Whether a client id is the address of a document that may be read here. */
export function isDocumentId(id: string, settings: Settings): boolean {
  if (!settings.CLIENT_ID_METADATA_DOCUMENTS || !/^https:\/\//i.test(id)) return false;
  const hosts = settings.CLIENT_ID_METADATA_HOSTS;
  return hosts.length === 0 || hosts.includes(URL.parse(id)?.host ?? '');
}

/** The host that a client's id names; null for a client that was registered. */
export const documentHostOf = (client: StoredClient): string | null =>
  documents.has(client) ? (URL.parse(client.clientId)?.host ?? null) : null;

const documents = new WeakSet<StoredClient>();

/** What is known of a client of a document without reading it. */
function standIn(clientId: string, tenantId: string): StoredClient {
  const client: StoredClient = {
    clientId,
    tenantId,
    isFirstParty: false,
    metadata: { client_id: clientId },
    isDisabled: false,
    version: 1,
    previousSecretExpiresAt: null,
    createdAt: new Date(0),
    updatedAt: new Date(0),
    selfRegisteredAt: null,
    firstTokenAt: null,
    secretHashes: [],
    previousSecret: null,
  };
  documents.add(client);
  return client;
}

/** Clients of either kind: registered ones, and those that a document describes. */
export interface ClientDirectory {
  /** An enabled client; of one that a document describes, only whose it is: nothing is read. */
  find(clientId: string): Promise<StoredClient | undefined>;
  /** The same with its metadata. @throws InvalidClient when its document cannot be read or is wrong */
  describe(client: StoredClient): Promise<StoredClient>;
}

export function createClientDirectory(deps: {
  config: Settings;
  clients: Pick<ClientService, 'find' | 'isShutOut'>;
  tenants: Pick<TenantService, 'ensurePlatform'>;
  engine(): Provider;
}): ClientDirectory {
  let platform: Promise<string> | undefined;
  const platformId = (): Promise<string> => {
    platform ??= deps.tenants.ensurePlatform().then(({ id }) => id);
    platform.catch(() => {
      platform = undefined;
    });
    return platform;
  };
  return {
    async find(clientId) {
      const stored = await deps.clients.find(clientId);
      if (stored || !isDocumentId(clientId, deps.config)) return stored;
      if (await deps.clients.isShutOut(clientId)) return undefined;
      return standIn(clientId, await platformId());
    },
    async describe(client) {
      if (!documents.has(client)) return client;
      const found = await deps.engine().Client.find(client.clientId);
      if (!found) throw new errors.InvalidClient('client is invalid', 'no document');
      const described = standIn(client.clientId, client.tenantId);
      described.metadata = { ...found.metadata(), client_id: client.clientId };
      return described;
    },
  };
}

/** Whether one more document may be read for the request being served. */
async function mayRead(rateLimits: Pick<RateLimits, 'hit'>): Promise<boolean> {
  const key = ipBucket(currentRequest()?.clientIp ?? null);
  const limit = { bucket: 'client-document', key, ...PER_ADDRESS };
  return (await orUnavailable(() => rateLimits.hit(limit))).allowed;
}

/** The engine's options for them. The version of the draft is acknowledged: the engine is pinned. */
export const documentClients = (deps: { config: Config; rateLimits: Pick<RateLimits, 'hit'> }) =>
  ({
    clientIdMetadataDocument: {
      enabled: deps.config.CLIENT_ID_METADATA_DOCUMENTS,
      ack: 'draft-02',
      cacheDuration: KEPT,
      allowFetch: async (_ctx, id) => isDocumentId(id, deps.config) && mayRead(deps.rateLimits),
      async allowClient(_ctx, client: Client) {
        // Anybody could name a sector's document, and would be told the names that it knows people by.
        if (client.sectorIdentifierUri !== undefined) {
          throw new errors.InvalidClientMetadata('sector_identifier_uri needs a registration');
        }
        assertSelfRegistrable(client.metadata(), deps.config);
        return true;
      },
    },
  }) satisfies Features;
