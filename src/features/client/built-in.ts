import type { ClientMetadata, StoredClient } from './schema.ts';
import type { ClientService } from './service.ts';

/** The client that pages of ours sign people in with; no row has its id. */
export const PAGES_CLIENT_ID = 'gatehouse-pages';

/** The client that tokens of the first-party API are issued to; no row has its id. */
export const API_CLIENT_ID = 'gatehouse-api';

/** The client that the account page is: it gets an ID token and keeps nothing else of it. */
export const ACCOUNT_CLIENT_ID = 'gatehouse-account';

/** What the first-party API's tokens are good for beside the API: userinfo. */
export const API_SCOPE = 'openid profile email phone';

/** Whether an id belongs to a client that is made here, so that nobody else can have it. */
export const isBuiltIn = (clientId: string): boolean =>
  [PAGES_CLIENT_ID, API_CLIENT_ID, ACCOUNT_CLIENT_ID].includes(clientId);

interface BuiltInOptions {
  /** Where the browser comes back to after a sign-in by pages of ours. */
  redirectUris: string[];
  /** The same of the account page. */
  accountRedirectUri: string;
  findPlatform(): Promise<{ id: string; name: string }>;
}

/** What tells them apart: two only sign people in, the third only refreshes. */
function metadataOf(clientId: string, options: BuiltInOptions): ClientMetadata {
  const signsIn = {
    client_id: clientId,
    grant_types: ['authorization_code'],
    response_types: ['code'],
    scope: 'openid',
  };
  if (clientId === PAGES_CLIENT_ID) return { ...signsIn, redirect_uris: options.redirectUris };
  if (clientId === ACCOUNT_CLIENT_ID) {
    return { ...signsIn, redirect_uris: [options.accountRedirectUri] };
  }
  return {
    client_id: clientId,
    redirect_uris: [],
    grant_types: ['refresh_token'],
    response_types: [],
    scope: API_SCOPE,
  };
}

async function make(clientId: string, options: BuiltInOptions): Promise<StoredClient> {
  const platform = await options.findPlatform();
  return {
    clientId,
    tenantId: platform.id,
    isFirstParty: true,
    metadata: {
      ...metadataOf(clientId, options),
      client_name: platform.name,
      token_endpoint_auth_method: 'none',
    },
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

/**
 * Adds the clients that are made of the issuer, so that they move with it: the
 * one by which pages of ours sign people in, who have no code to exchange, only
 * a session to wait for; the account page; and the one that the tokens of the
 * first-party API are issued to.
 */
export function withBuiltInClients(clients: ClientService, options: BuiltInOptions): ClientService {
  const made = new Map<string, Promise<StoredClient>>();

  /** One object for the life of the process: the engine tells clients apart by identity. */
  function findOwn(clientId: string): Promise<StoredClient> {
    const present = made.get(clientId);
    if (present) return present;
    const making = make(clientId, options).catch((error: unknown) => {
      made.delete(clientId);
      throw error;
    });
    made.set(clientId, making);
    return making;
  }

  return {
    ...clients,
    find: (clientId) => (isBuiltIn(clientId) ? findOwn(clientId) : clients.find(clientId)),
  };
}
