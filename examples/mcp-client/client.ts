import * as oidc from 'openid-client';
import { type CallbackListener, listenForCallback } from './callback.ts';
import { discoverResource, type ProtectedResource } from './discovery.ts';

/**
 * A client that knows nothing but the address of a protected resource, as an MCP
 * client does: the resource says where tokens come from, and the authorization
 * server takes a client that it has never seen, by a document of the client's
 * own on the web or by registration.
 */

export interface McpClientOptions {
  /** Shows the person a page to sign in at. */
  openBrowser(url: URL): Promise<void> | void;
  /** The https address of a document with `clientMetadata()`: it is the client id where that is taken. */
  documentUrl?: string | undefined;
  /** For servers that want one for registration (RFC 7591 3). */
  initialAccessToken?: string | undefined;
}

/** What the client says of itself, in its document or when it registers. */
export const clientMetadata = (scope: string, redirectUri = 'http://127.0.0.1/callback') => ({
  client_name: 'Example MCP client',
  // Native: the loopback address may have any port (RFC 8252 7.3).
  application_type: 'native',
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  scope,
});

const isLocal = ({ hostname }: URL): boolean => ['localhost', '127.0.0.1'].includes(hostname);

/** Makes itself known to the server: by its document where both have that, else by registration. */
async function identify(
  { authorizationServer, scopes }: ProtectedResource,
  { redirectUri }: CallbackListener,
  { documentUrl, initialAccessToken }: McpClientOptions,
): Promise<oidc.Configuration> {
  const options = {
    algorithm: 'oauth2' as const,
    execute: isLocal(authorizationServer) ? [oidc.allowInsecureRequests] : [],
  };
  if (documentUrl) {
    const metadata = { token_endpoint_auth_method: 'none' };
    const configuration = await oidc.discovery(
      authorizationServer,
      documentUrl,
      metadata,
      oidc.None(),
      options,
    );
    if (configuration.serverMetadata().client_id_metadata_document_supported) return configuration;
  }
  return oidc.dynamicClientRegistration(
    authorizationServer,
    clientMetadata(scopes.join(' '), redirectUri),
    oidc.None(),
    { ...options, ...(initialAccessToken ? { initialAccessToken } : {}) },
  );
}

/** Authorization code with PKCE, for this one resource (RFC 8707). @returns the access token */
async function authorize(
  configuration: oidc.Configuration,
  { resource, scopes }: ProtectedResource,
  callback: CallbackListener,
  { openBrowser }: McpClientOptions,
): Promise<string> {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const expectedState = oidc.randomState();
  const url = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: callback.redirectUri,
    resource,
    scope: scopes.join(' '),
    state: expectedState,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  await openBrowser(url);
  const tokens = await oidc.authorizationCodeGrant(
    configuration,
    await callback.returned,
    { pkceCodeVerifier, expectedState },
    { resource },
  );
  return tokens.access_token;
}

/**
 * Reads a protected resource, from nothing but its address.
 * @returns what the resource answers, and as whom the client was known
 */
export async function readResource(
  address: string,
  options: McpClientOptions,
): Promise<{ clientId: string; body: unknown }> {
  const resource = await discoverResource(address);
  const callback = await listenForCallback();
  try {
    const configuration = await identify(resource, callback, options);
    const token = await authorize(configuration, resource, callback, options);
    const response = await fetch(address, { headers: { authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`the resource refuses the token: ${response.status}`);
    return { clientId: configuration.clientMetadata().client_id, body: await response.json() };
  } finally {
    callback.close();
  }
}
