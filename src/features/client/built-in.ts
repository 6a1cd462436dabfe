import type { ClientMetadata, StoredClient } from './schema.ts';
import type { ClientService } from './service.ts';

/** The client that pages of ours sign people in with; no row has its id. */
export const PAGES_CLIENT_ID = 'gatehouse-pages';

/**
 * Adds the client by which pages of ours sign people in: they have no code to
 * exchange, only a session to wait for. It is made of the issuer, so that it
 * moves with it.
 * @param options `redirectUri` is where the browser comes back to
 */
export function withPagesClient(
  clients: ClientService,
  options: {
    redirectUri: string;
    findPlatform(): Promise<{ id: string; name: string }>;
  },
): ClientService {
  let made: Promise<StoredClient> | undefined;

  async function make(): Promise<StoredClient> {
    const platform = await options.findPlatform();
    const metadata: ClientMetadata = {
      client_id: PAGES_CLIENT_ID,
      client_name: platform.name,
      redirect_uris: [options.redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      scope: 'openid',
    };
    return {
      clientId: PAGES_CLIENT_ID,
      tenantId: platform.id,
      isFirstParty: true,
      metadata,
      isDisabled: false,
      selfRegisteredAt: null,
      firstTokenAt: null,
      version: 1,
      previousSecretExpiresAt: null,
      createdAt: new Date(0),
      updatedAt: new Date(0),
      secretHashes: [],
      previousSecret: null,
    };
  }

  /** One object for the life of the process: the engine tells clients apart by identity. */
  function findOwn(): Promise<StoredClient> {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  }

  return {
    ...clients,
    find: (clientId) => (clientId === PAGES_CLIENT_ID ? findOwn() : clients.find(clientId)),
  };
}
