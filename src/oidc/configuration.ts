import {
  type Client,
  type ClientAuthMethod,
  type Configuration,
  errors,
  type JWK,
  type KoaContextWithOIDC,
  type ResponseType,
} from 'oidc-provider';
import type { Config } from '../config.ts';
import type { StoredClient } from '../features/client/index.ts';
import { reachableAcrs } from './acr.ts';
import { enabledWith } from './algorithms.ts';
import { scopeClaims } from './claims.ts';
import { extraClientMetadata } from './clients/extensions.ts';
import type { ClientLookup } from './clients/lookup.ts';
import { createNoteUse } from './clients/registration.ts';
import { applyFapiProfile, assertFapiAssertion, isFapi, isFromTheFuture } from './fapi-profile.ts';
import { loadGrant } from './grants.ts';
import { toEngineKey } from './keys/pooled-signing-key.ts';
import { type SigningKey, signingAlgs } from './keys/signing-keys.ts';
import { pairwiseOptions } from './pairwise.ts';
import { requiresPkce } from './pkce.ts';
import { createPolicy } from './policy.ts';
import { createFeatures } from './protocols/index.ts';
import { mtlsAliases } from './protocols/sender-constraints.ts';
import type { ProviderDeps } from './provider.ts';
import { openidScopes, platformScopes } from './resources.ts';
import { extraTokenClaims } from './token-claims.ts';
import { createTtl } from './ttl.ts';

const isHttps = (config: Config): boolean => config.ISSUER.startsWith('https:');

/** Cookie names: `__Host-` where it is allowed, over HTTPS (ASVS 3.3.1). */
function cookieNames(config: Config) {
  const prefix = isHttps(config) ? '__Host-' : '';
  return {
    session: `${prefix}gh_session`,
    // These two are bound to a path, which `__Host-` forbids.
    interaction: isHttps(config) ? '__Secure-gh_interaction' : 'gh_interaction',
    resume: isHttps(config) ? '__Secure-gh_resume' : 'gh_resume',
  };
}

/** Bytes of a document that a client names: keys, or the redirect URIs of a sector. */
const LONGEST_DOCUMENT = 64 * 1024;

/** Seconds that a client assertion may live, with a minute for clocks that differ. */
const LONGEST_ASSERTION = 5 * 60 + 60;

/**
 * An assertion's `jti` is remembered until it expires: one that lives for years
 * would fill the store, or be usable again once forgotten (CVE-2025-2559).
 */
function assertAssertion(
  { oidc }: KoaContextWithOIDC,
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
): void {
  const { exp } = claims;
  if (typeof exp !== 'number' || exp > Date.now() / 1000 + LONGEST_ASSERTION) {
    throw new errors.InvalidClientAuth('the client assertion must expire within five minutes');
  }
  if (isFromTheFuture(claims)) {
    throw new errors.InvalidClientAuth('the client assertion was issued in the future');
  }
  if (isFapi(oidc.client)) assertFapiAssertion(claims, header, oidc.issuer);
}

/** How a client may authenticate; by certificate where a proxy tells of it. */
const authMethods = (config: Config): ClientAuthMethod[] => [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'none',
  ...(config.MTLS_CERTIFICATE_HEADER ? (['self_signed_tls_client_auth'] as const) : []),
  ...(config.MTLS_CERTIFICATE_HEADER && config.MTLS_VERIFIED_HEADER
    ? (['tls_client_auth'] as const)
    : []),
];

/** Metadata of ours is checked by its table; a profile is about all of the metadata. */
const clientMetadata = {
  ...extraClientMetadata,
  validator(ctx, name, value, metadata) {
    extraClientMetadata.validator(ctx, name, value, metadata);
    if (name === 'profile' && value === 'fapi2') applyFapiProfile(metadata);
  },
} satisfies Configuration['extraClientMetadata'];

/**
 * Whether scripts of an origin may read answers meant for a client: where one of
 * its redirect URIs lies, and only a client that keeps no secret in a browser.
 */
function mayReadFrom(ctx: KoaContextWithOIDC, origin: string, client: Client): boolean {
  if (origin === 'null') return false;
  if (ctx.oidc.route !== 'userinfo' && client.clientAuthMethod !== 'none') return false;
  return (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin);
}

/** A key whose algorithm is no longer configured stays published, and signs nothing. */
const engineKeys = ({ config, keys }: ProviderDeps): SigningKey[] => {
  const algs: readonly string[] = [...signingAlgs, ...config.SIGNING_ALGS_EXPERIMENTAL];
  return keys.filter(({ alg }) => algs.includes(alg));
};

/** The engine's options; the protocols that are switched on have files of their own beside. */
export function createConfiguration(deps: ProviderDeps, lookup: ClientLookup): Configuration {
  const { config } = deps;
  const findClient = (clientId: string): Promise<StoredClient | undefined> =>
    deps.clients.find(clientId);
  const features = createFeatures(deps);
  const noteUse = createNoteUse(deps.registered, lookup.storedOf);
  const policyDeps = { tenants: deps.tenants, findClient };
  return {
    adapter: deps.adapter,
    jwks: {
      keys: [
        ...engineKeys(deps).map(toEngineKey),
        ...(deps.encryptionKey ? [deps.encryptionKey.own as unknown as JWK] : []),
      ],
    },
    acrValues: reachableAcrs,
    assertJwtClientAuthClaimsAndHeader: assertAssertion,
    claims: scopeClaims,
    clientBasedCORS: mayReadFrom,
    scopes: [...openidScopes, ...platformScopes],
    clientDefaults: {
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: config.SIGNING_ALG,
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    // What a client gets of these is what its registration names; left out, it is `code`.
    responseTypes: [...new Set(['code', ...config.ALLOWED_RESPONSE_TYPES])] as ResponseType[],
    clientAuthMethods: authMethods(config),
    ...pairwiseOptions(deps.pairwiseSecret),
    fetchResponseBodyLimits: {
      // The draft's own bound (OAuth Client ID Metadata Document 6.6).
      'client_id metadata document': 5 * 1024,
      jwks_uri: LONGEST_DOCUMENT,
      sector_identifier_uri: LONGEST_DOCUMENT,
    },
    pkce: { required: (_ctx, client) => requiresPkce(client, config.suiteHosts) },
    cookies: {
      keys: deps.cookieKeys,
      names: cookieNames(config),
      long: { signed: true, httpOnly: true, sameSite: 'lax', secure: isHttps(config), path: '/' },
      short: { signed: true, httpOnly: true, sameSite: 'lax', secure: isHttps(config) },
    },
    discovery: {
      ui_locales_supported: ['en', 'vi'],
      claim_types_supported: ['normal'],
      ...mtlsAliases(config.MTLS_ALIAS_URL, features),
    },
    enabledJWA: enabledWith(config.SIGNING_ALGS_EXPERIMENTAL),
    extraClientMetadata: clientMetadata,
    // A device is not signed out with the browser that its code was typed in.
    expiresWithSession: async (_ctx, source) =>
      source.kind !== 'DeviceCode' && !source.scopes.has('offline_access'),
    extraParams: ['tenant', 'screen_hint'],
    async extraTokenClaims(ctx, token) {
      await noteUse(ctx);
      return extraTokenClaims(ctx, token, lookup.storedOf);
    },
    features,
    fetch: (url, init) => deps.outbound.fetch(url as string | URL, init),
    findAccount: async (ctx, accountId) =>
      (await deps.findAccount(accountId)) ?? deps.ciba.standIn(ctx, accountId),
    interactions: {
      policy: createPolicy(policyDeps),
      url: async (ctx, interaction) => {
        await deps.onInteraction(ctx, interaction.uid);
        return `/interaction/${interaction.uid}`;
      },
    },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    loadExistingGrant: (ctx) => loadGrant(ctx, policyDeps),
    renderError: deps.pages.renderError,
    // Bound tokens need no rotation, which loses one for an answer that did not arrive (FAPI 2.0
    // Security Profile 5.3.2.1).
    rotateRefreshToken: ({ oidc }) => !isFapi(oidc.client),
    routes: {
      authorization: '/authorize',
      backchannel_authentication: '/ciba',
      code_verification: '/device',
      device_authorization: '/device_authorization',
      end_session: '/logout',
      introspection: '/introspect',
      jwks: '/.well-known/jwks.json',
      pushed_authorization_request: '/par',
      registration: '/register',
      revocation: '/revoke',
      token: '/token',
      userinfo: '/userinfo',
    },
    ttl: createTtl(config),
  } satisfies Configuration;
}
