import assert from 'node:assert/strict';
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';
import { type Answer, basic, getJson, postForm, randomText, type World } from './support.ts';

/** What the modules of the OpenID Foundation's test plans do, over plain HTTP. */

const REDIRECT_URI = 'https://rp.example/callback';

/** A client as the basic plan registers it: a secret, the code flow, no PKCE. */
export async function seedRelyingParty(
  world: World,
  metadata: Record<string, unknown> = {},
): Promise<TestClient> {
  const client = await seedClient(world.deps, world.people.tenantId, {
    metadata: {
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      require_pkce: false,
      ...metadata,
    },
  });
  const [redirectUri = REDIRECT_URI] = (metadata.redirect_uris as string[] | undefined) ?? [];
  return { ...client, redirectUri };
}

export interface Authorization {
  /** What the client was told: code or error, state, issuer. */
  answer: URLSearchParams;
  /** Whether the person had to give the password. */
  wasAsked: boolean;
  agent: UserAgent;
  nonce: string | undefined;
}

export interface AuthorizeOptions {
  agent?: UserAgent;
  /** Whether the request itself is a form, by POST. */
  byPost?: boolean;
}

/** A request of the client, without the parameters that are given as undefined. */
export function requestOf(
  client: TestClient,
  parameters: Record<string, string | undefined> = {},
): URLSearchParams {
  const all: Record<string, string | undefined> = {
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: randomText(16),
    nonce: randomText(16),
    ...parameters,
  };
  const given = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined);
  return new URLSearchParams(given);
}

/** What a page or redirect tells the client, by query or by a form that the page posts. */
function readAnswer(client: TestClient, page: { url: URL; html: string }): URLSearchParams {
  const target = page.url.origin + page.url.pathname;
  if (target === new URL(client.redirectUri).origin + new URL(client.redirectUri).pathname) {
    return page.url.searchParams;
  }
  return new URLSearchParams(findForm(page, client.redirectUri).fields);
}

/** Goes through an authorization in a browser; signs in and consents where that is asked. */
export async function authorize(
  world: World,
  client: TestClient,
  parameters: Record<string, string | undefined> = {},
  { agent = createUserAgent(world.url), byPost = false }: AuthorizeOptions = {},
): Promise<Authorization> {
  const request = requestOf(client, parameters);
  let page = byPost
    ? await agent.follow('/authorize', { method: 'POST', body: request })
    : await agent.follow(`/authorize?${request}`);
  const wasAsked = page.html.includes('/sign-in"');
  if (wasAsked) {
    const { email: identifier, password } = world.people.user;
    page = await agent.submit(page, '/sign-in', { identifier, password });
  }
  if (page.html.includes('/consent"')) {
    page = await agent.submit(page, '/consent', { decision: 'allow' });
  }
  const answer = readAnswer(client, page);
  assert.equal(answer.get('state'), request.get('state'));
  assert.equal(answer.get('iss'), world.url);
  return { answer, wasAsked, agent, nonce: request.get('nonce') ?? undefined };
}

/** Exchanges the code of an authorization, by HTTP Basic unless other credentials are given. */
export function redeem(
  world: World,
  client: TestClient,
  code: string,
  more: Record<string, string> = {},
  headers: Record<string, string> = basic(client),
): Promise<Answer> {
  const { redirectUri: redirect_uri } = client;
  const form = { grant_type: 'authorization_code', code, redirect_uri, ...more };
  return postForm(`${world.url}/token`, form, headers);
}

/** Verifies an ID token as a relying party does (OpenID Connect Core 3.1.3.7). */
export async function verifyIdToken(
  world: World,
  client: TestClient,
  idToken: unknown,
): Promise<{ payload: JWTPayload; alg: string; kid: string | undefined }> {
  const { body } = await getJson(`${world.url}/.well-known/jwks.json`);
  const keys = createLocalJWKSet(body as unknown as Parameters<typeof createLocalJWKSet>[0]);
  const { payload, protectedHeader } = await jwtVerify(String(idToken), keys, {
    issuer: world.url,
    audience: client.clientId,
  });
  return { payload, alg: protectedHeader.alg, kid: protectedHeader.kid };
}

/** An authorization, its code exchanged and its ID token verified. */
export async function complete(
  world: World,
  client: TestClient,
  parameters: Record<string, string | undefined> = {},
  options: AuthorizeOptions & { more?: Record<string, string> } = {},
) {
  const authorization = await authorize(world, client, parameters, options);
  const code = authorization.answer.get('code') ?? '';
  const { status, body } = await redeem(world, client, code, options.more);
  assert.equal(status, 200, JSON.stringify(body));
  const idToken = await verifyIdToken(world, client, body.id_token);
  assert.equal(idToken.payload.nonce, authorization.nonce);
  return { ...authorization, code, tokens: body, idToken };
}
