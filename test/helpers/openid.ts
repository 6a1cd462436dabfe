import * as client from 'openid-client';
import type { TestClient } from './gatehouse.ts';
import type { createUserAgent } from './user-agent.ts';

/** openid-client, configured from discovery alone. */
export const discover = (url: string, { clientId, clientSecret }: TestClient) =>
  client.discovery(new URL(url), clientId, clientSecret, undefined, {
    execute: [client.allowInsecureRequests],
  });

export interface AuthorizationRequest {
  url: URL;
  verifier: string;
  state: string;
  nonce: string;
}

/** An authorization request with PKCE, state and nonce. */
export async function authorizationRequest(
  configuration: client.Configuration,
  redirectUri: string,
  parameters: Record<string, string> = {},
): Promise<AuthorizationRequest> {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...parameters,
  });
  return { url, verifier, state, nonce };
}

/** Signs in on the hosted page and returns the redirect to the client. */
export async function signIn(
  agent: ReturnType<typeof createUserAgent>,
  request: AuthorizationRequest,
  credentials: { identifier: string; password: string },
): Promise<URL> {
  const page = await agent.follow(request.url);
  const end = await agent.submit(page, '/sign-in', credentials);
  return end.url;
}

/** Exchanges the code of a redirect for tokens. */
export const exchange = (
  configuration: client.Configuration,
  request: AuthorizationRequest,
  redirect: URL,
) =>
  client.authorizationCodeGrant(configuration, redirect, {
    pkceCodeVerifier: request.verifier,
    expectedState: request.state,
    expectedNonce: request.nonce,
  });
