import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import type { Deps, Overrides } from '../../src/deps.ts';
import {
  freePort,
  seedClient,
  seedPeople,
  startGatehouse,
  type TestClient,
  type TestGatehouse,
  type TestPeople,
  testEnvironment,
} from '../helpers/gatehouse.ts';
import { withLatency } from '../helpers/latency-adapter.ts';
import { authorizationRequest, discover, exchange, signIn } from '../helpers/openid.ts';
import { startProcess } from '../helpers/process.ts';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';

/** What most flows need: an instance, a tenant with a user, a first-party client of that tenant. */
export interface World extends TestGatehouse {
  people: TestPeople;
  client: TestClient;
}

/** What a flow needs to know of an installation, in this process or another. */
export type Reachable = Pick<World, 'url' | 'people' | 'client'>;

export async function createWorld(
  options: { settings?: Record<string, string>; overrides?: Overrides } = {},
): Promise<World> {
  const gatehouse = await startGatehouse(options);
  const people = await seedPeople(gatehouse.deps);
  const client = await seedClient(gatehouse.deps, people.tenantId);
  return { ...gatehouse, people, client };
}

/** The settings of a second instance of a deployment: same stores, same issuer, another port. */
const twinSettings = ({ config }: TestGatehouse, port: string): Record<string, string> => ({
  PORT: port,
  ISSUER: config.ISSUER,
  ALLOWED_HOSTS: `localhost:${port}`,
  DATABASE_URL: config.DATABASE_URL.reveal(),
  REDIS_PREFIX: config.REDIS_PREFIX,
  KEY_ENCRYPTION_KEY: config.KEY_ENCRYPTION_KEY?.reveal() ?? '',
  ACCESS_TOKEN_FORMAT: config.ACCESS_TOKEN_FORMAT,
  TRUSTED_PROXIES: config.TRUSTED_PROXIES.join(),
  OUTBOUND_ALLOWED_HOSTS: config.OUTBOUND_ALLOWED_HOSTS.join(),
});

/** A second instance of the same deployment, in this process. */
export async function startTwin(first: TestGatehouse, overrides?: Overrides) {
  const port = String(await freePort());
  const twin = await startGatehouse({
    settings: twinSettings(first, port),
    ...(overrides ? { overrides } : {}),
  });
  return { ...twin, url: `http://localhost:${port}` };
}

/** Milliseconds that the stores of `startRacers` answer late. */
const STORE_LATENCY = 5;

/**
 * A world and a second process of the same deployment, whose stores answer a
 * little late, so that reads and the writes that follow them interleave.
 */
export async function startRacers(settings: Record<string, string> = {}) {
  const wrapAdapter: Overrides['wrapAdapter'] = (factory) => withLatency(factory, STORE_LATENCY);
  const world = await createWorld({ settings, overrides: { wrapAdapter } });
  const environment = await testEnvironment(twinSettings(world, String(await freePort())));
  const twin = await startProcess(
    { ...environment, STORE_LATENCY: String(STORE_LATENCY) },
    new URL('../helpers/slow-process.ts', import.meta.url),
  );
  after(async () => {
    twin.kill('SIGKILL');
    await twin.exited;
  });
  return { world, twin };
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** An OAuth request: a form by POST, its JSON answer parsed. */
export async function postForm(
  url: string,
  form: Record<string, string> | URLSearchParams | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...headers,
    },
    body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
  });
  return toAnswer(response);
}

export async function getJson(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return toAnswer(await fetch(url, { redirect: 'manual', headers }));
}

async function toAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  const body = isJson && text !== '' ? JSON.parse(text) : {};
  return { status: response.status, headers: response.headers, body };
}

/** HTTP Basic credentials of a client (RFC 6749 2.3.1). */
export const basic = ({
  clientId,
  clientSecret,
}: Pick<TestClient, 'clientId' | 'clientSecret'>) => ({
  authorization: `Basic ${Buffer.from(
    `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`,
  ).toString('base64')}`,
});

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** The tokens of one completed sign-in, with the browser that it happened in. */
export interface SignedIn {
  accessToken: string;
  refreshToken: string;
  idToken: string;
  scope: string | undefined;
  agent: UserAgent;
}

export interface SignInOptions {
  client?: TestClient;
  parameters?: Record<string, string>;
  agent?: UserAgent;
  credentials?: { identifier: string; password: string };
}

/** A full code flow by openid-client, the person signing in on the hosted page. */
export async function signInForTokens(
  world: Reachable,
  options: SignInOptions = {},
): Promise<SignedIn> {
  const { user } = world.people;
  const client = options.client ?? world.client;
  const configuration = await discover(world.url, client);
  const request = await authorizationRequest(
    configuration,
    client.redirectUri,
    options.parameters ?? {},
  );
  const agent = options.agent ?? createUserAgent(world.url);
  const credentials = options.credentials ?? { identifier: user.email, password: user.password };
  const redirect = await signIn(agent, request, credentials);
  const tokens = await exchange(configuration, request, redirect);
  return {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? '',
    idToken: tokens.id_token ?? '',
    scope: tokens.scope,
    agent,
  };
}

/** A code that awaits its exchange, and the form that exchanges it. */
export async function obtainCode(world: Reachable, options: SignInOptions = {}) {
  const { user } = world.people;
  const client = options.client ?? world.client;
  const configuration = await discover(world.url, client);
  const request = await authorizationRequest(
    configuration,
    client.redirectUri,
    options.parameters ?? {},
  );
  const agent = options.agent ?? createUserAgent(world.url);
  const credentials = options.credentials ?? { identifier: user.email, password: user.password };
  const redirect = agent.cookies.has('gh_session')
    ? (await agent.follow(request.url)).url
    : await signIn(agent, request, credentials);
  const code = redirect.searchParams.get('code') ?? '';
  const form = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.redirectUri,
    code_verifier: request.verifier,
  };
  return { code, form, redirect, request, agent };
}

/** Asks the introspection endpoint (RFC 7662) as the given client. */
export const introspect = (url: string, client: TestClient, token: string): Promise<Answer> =>
  postForm(`${url}/introspect`, { token }, basic(client));

export const refresh = (
  url: string,
  client: TestClient,
  refreshToken: string,
  more: Record<string, string> = {},
): Promise<Answer> =>
  postForm(
    `${url}/token`,
    { grant_type: 'refresh_token', refresh_token: refreshToken, ...more },
    basic(client),
  );

export interface OutboxEvent {
  type: string;
  subject: string;
  tenant_id: string | null;
  data: Record<string, unknown>;
}

/** Events written so far, in order; of one type if given. */
export const eventsOf = (deps: Deps, type?: string): Promise<OutboxEvent[]> =>
  deps.postgres
    .knex('outbox_events')
    .modify((query) => {
      if (type) query.where({ type });
    })
    .orderBy('seq');

/** Another user of the same tenant, who can sign in. */
export async function addUser(world: World, name: string, password = 'another fine password') {
  const user = await world.deps.users.create(
    { tenantId: world.people.tenantId, email: `${name}@lotus.example`, username: name },
    password,
  );
  return { id: user.id, identifier: `${name}@lotus.example`, password };
}

/** Whether a token opens nothing: refused by introspection, userinfo and the API. */
export async function isDeadEverywhere(
  url: string,
  client: TestClient,
  accessToken: string,
): Promise<boolean> {
  const [introspection, userinfo, me] = await Promise.all([
    introspect(url, client, accessToken),
    getJson(`${url}/userinfo`, bearer(accessToken)),
    getJson(`${url}/api/v1/me`, bearer(accessToken)),
  ]);
  return introspection.body.active === false && userinfo.status === 401 && me.status === 401;
}

/** Tells whether a condition comes true within `timeout` milliseconds; asks again and again. */
export async function becomesTrue(
  condition: () => Promise<boolean> | boolean,
  timeout = 10_000,
): Promise<boolean> {
  const deadline = performance.now() + timeout;
  do {
    if (await condition()) return true;
    await new Promise((resolve) => setImmediate(resolve));
  } while (performance.now() < deadline);
  return false;
}

export const randomText = (bytes = 32): string => randomBytes(bytes).toString('base64url');
