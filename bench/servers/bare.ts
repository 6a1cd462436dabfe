/**
 * The yardstick: oidc-provider by itself in one process, its own in-memory
 * adapter over a plain Map, clients given to its constructor, no log, no limits,
 * no other middleware. Tokens, lifetimes, claims and scopes are Gatehouse's.
 */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { type Configuration, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';
import { clientMetadata, ISSUER, type World } from '../lib/world.ts';

const { PORT, WORLD = '', SIGNING_ALG = 'RS256', ACCESS_TOKEN_FORMAT = 'jwt' } = process.env;
const world = JSON.parse(WORLD) as World;
const RESOURCE = `${ISSUER}/api`;
const people = new Map(world.people.map((person, index) => [person.id, { ...person, index }]));

const jwk = (key: { export(options: { format: 'jwk' }): object }, alg: string) => ({
  ...key.export({ format: 'jwk' }),
  alg,
  use: 'sig',
});

const keys = [
  jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'RS256'),
  jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'ES256'),
  jwk(generateKeyPairSync('ed25519').privateKey, 'EdDSA'),
];

async function loadExistingGrant(ctx: KoaContextWithOIDC) {
  const { client, account, session, provider: engine } = ctx.oidc;
  if (!client || !account) return undefined;
  const grantId = session?.grantIdFor(client.clientId);
  const found = grantId ? await engine.Grant.find(grantId) : undefined;
  if (found) return found;
  const grant = new engine.Grant({ accountId: account.accountId, clientId: client.clientId });
  grant.addOIDCScope('openid profile email');
  grant.addResourceScope(RESOURCE, 'openid profile email');
  await grant.save();
  return grant;
}

function claimsOf(id: string) {
  const person = people.get(id);
  return {
    sub: id,
    name: `Person ${person?.index}`,
    updated_at: 1_760_000_000,
    email: person?.email ?? '',
    email_verified: true,
  };
}

interface Remembered {
  amr?: string[];
  acr?: string;
  authTime?: number;
  sessionUid?: string;
}

function extraTokenClaims(ctx: KoaContextWithOIDC, token: { kind: string }) {
  const base = { tid: world.tenantId, tids: [world.tenantId] };
  if (token.kind === 'ClientCredentials') return { ...base, amr: [] };
  const { RefreshToken, AuthorizationCode } = ctx.oidc.entities;
  const source = (RefreshToken ?? AuthorizationCode ?? {}) as Remembered;
  return {
    ...base,
    amr: source.amr ?? [],
    sid: source.sessionUid,
    auth_time: source.authTime,
    acr: source.acr,
  };
}

const features = {
  devInteractions: { enabled: false },
  clientCredentials: { enabled: true },
  introspection: { enabled: true },
  revocation: { enabled: true },
  backchannelLogout: { enabled: true },
  dPoP: { enabled: false },
  pushedAuthorizationRequests: { enabled: false },
  resourceIndicators: {
    enabled: true,
    defaultResource: (_ctx, _client, oneOf) =>
      oneOf ?? (ACCESS_TOKEN_FORMAT === 'jwt' ? RESOURCE : []),
    getResourceServerInfo: () => ({
      scope: 'openid offline_access profile email',
      audience: RESOURCE,
      accessTokenFormat: 'jwt' as const,
      jwt: { sign: { alg: SIGNING_ALG as 'RS256' } },
    }),
    useGrantedResource: () => true,
  },
} satisfies Configuration['features'];

/** The engine's own adapter; its default store forgets after 1,000 entries, a Map does not. */
const store = new Map<string, unknown>();

const provider = new Provider(ISSUER, {
  adapter: (model: string) => new MemoryAdapter(model, store),
  jwks: { keys: keys as never },
  clients: world.clients.map(({ clientId, clientSecret }, index) => ({
    ...clientMetadata(index),
    client_id: clientId,
    client_secret: clientSecret,
    id_token_signed_response_alg: SIGNING_ALG as 'RS256',
  })),
  claims: {
    openid: ['sub', 'auth_time', 'acr', 'amr'],
    profile: ['name', 'updated_at'],
    email: ['email', 'email_verified'],
  },
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  responseTypes: ['code'],
  pkce: { required: () => true },
  cookies: {
    keys: ['a key of the benchmark'],
    long: { signed: true, httpOnly: true, sameSite: 'lax', secure: true, path: '/' },
    short: { signed: true, httpOnly: true, sameSite: 'lax', secure: true },
  },
  extraTokenClaims,
  features,
  findAccount: (_ctx, id) => ({ accountId: id, claims: async () => claimsOf(id) }),
  interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
  issueRefreshToken: () => true,
  loadExistingGrant,
  rotateRefreshToken: () => true,
  routes: {
    authorization: '/authorize',
    introspection: '/introspect',
    jwks: '/.well-known/jwks.json',
    token: '/token',
    userinfo: '/userinfo',
  },
  ttl: {
    AccessToken: 900,
    ClientCredentials: 3_600,
    IdToken: 3_600,
    AuthorizationCode: 60,
    Interaction: 3_600,
    Grant: 1_209_600,
    RefreshToken: 28_800,
    Session: 28_800,
  },
});
provider.proxy = true;

const handle = provider.callback();

/** Signs in whoever the request hints at: there is no page and no password here. */
const server = createServer(async (request, response) => {
  if (!request.url?.startsWith('/interaction/')) return handle(request, response);
  const { params } = await provider.interactionDetails(request, response);
  await provider.interactionFinished(request, response, {
    login: { accountId: String(params.login_hint), amr: ['pwd'], acr: 'urn:gatehouse:acr:1fa' },
  });
});
server.keepAliveTimeout = 75_000;
server.listen(Number(PORT), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
