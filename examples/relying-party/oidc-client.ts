import * as oidc from 'openid-client';

/** An application as it is registered at the provider. */
export interface ClientSettings {
  clientId: string;
  /** Left out for a public client, which proves itself by PKCE alone. */
  clientSecret?: string | undefined;
  /** Where the provider sends people back; registered there letter for letter. */
  redirectUri: string;
}

/** What has to be remembered between leaving for the provider and coming back. */
export interface PendingSignIn {
  state: string;
  nonce: string;
  codeVerifier: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
}

/** The tokens of one person at one client. */
export interface SignIn {
  claims: oidc.IDToken;
  /**
   * Name, address and the like. A provider that issues an access token tells them
   * at userinfo and may leave them out of the ID token (OpenID Connect Core 5.4).
   */
  profile?: oidc.UserInfoResponse | undefined;
  idToken: string;
  accessToken: string;
  refreshToken: string | undefined;
  scope: string;
  /** Milliseconds since the epoch, or undefined when the provider does not say. */
  expiresAt: number | undefined;
}

/** The answer of an API, as it came. */
export interface ApiAnswer {
  status: number;
  body: string;
}

/** One client of one provider: everything in this example that is OpenID Connect. */
export interface OidcClient {
  settings: ClientSettings;
  /** Starts a sign-in: where to send the browser, and what to remember until it is back. */
  begin(): Promise<{ url: URL; pending: PendingSignIn }>;
  /** Completes a sign-in with the address that the provider sent the browser to. */
  finish(callback: URL, pending: PendingSignIn): Promise<SignIn>;
  /** Trades the refresh token for new tokens; a refresh token works once. */
  refresh(signIn: SignIn): Promise<SignIn>;
  /** Asks the provider who the access token speaks for (OpenID Connect Core 5.3). */
  fetchUserInfo(signIn: SignIn): Promise<oidc.UserInfoResponse>;
  /** Calls an API with the access token; an answer of any status is an answer. */
  callApi(signIn: SignIn, url: URL): Promise<ApiAnswer>;
  /** Where to send the browser to sign out at the provider as well. */
  endSessionUrl(signIn: SignIn, options: { returnTo: string; state: string }): Promise<URL>;
}

/** The provider does not answer, or not as a provider. */
export class ProviderUnavailable extends Error {
  constructor(issuer: string, cause: unknown) {
    super(`${issuer} cannot be reached`, { cause });
    this.name = 'ProviderUnavailable';
  }
}

/** Seconds that the provider may take to answer. */
const TIMEOUT = 10;

/** Longest answer of an API that is kept, in characters. */
const LONGEST_ANSWER = 20_000;

const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * How to talk to this issuer: plain HTTP on this computer only, HTTPS elsewhere.
 * @throws Error for an http issuer on another computer
 */
function hardening(issuer: URL): Array<(config: oidc.Configuration) => void> {
  // The signature of the ID token is checked although TLS already vouches for it:
  // with plain HTTP on localhost there is no TLS.
  const always = [oidc.enableNonRepudiationChecks];
  if (issuer.protocol === 'https:') return always;
  if (issuer.protocol === 'http:' && LOCAL_HOSTS.has(issuer.hostname)) {
    return [...always, oidc.allowInsecureRequests];
  }
  throw new Error(`ISSUER must be https, or http on localhost: ${issuer.href}`);
}

/**
 * Discovers the provider when it is first needed, so that either may start
 * first. A failure is not remembered: the next request tries again.
 */
function discoverLazily(issuer: URL, settings: ClientSettings): () => Promise<oidc.Configuration> {
  const execute = hardening(issuer);
  const { clientId, clientSecret } = settings;
  const authentication = clientSecret ? oidc.ClientSecretBasic(clientSecret) : oidc.None();
  let discovered: Promise<oidc.Configuration> | undefined;
  return () => {
    discovered ??= oidc
      .discovery(issuer, clientId, undefined, authentication, { execute, timeout: TIMEOUT })
      .catch((error: unknown) => {
        discovered = undefined;
        throw new ProviderUnavailable(issuer.origin, error);
      });
    return discovered;
  };
}

type TokenResponse = Awaited<ReturnType<typeof oidc.refreshTokenGrant>>;

/** Keeps what the response brings; what a refresh leaves out stays as it was. */
function toSignIn(response: TokenResponse, previous?: SignIn): SignIn {
  const claims = response.claims() ?? previous?.claims;
  const idToken = response.id_token ?? previous?.idToken;
  if (!claims || !idToken) throw new Error('the provider sent no ID token');
  const expiresIn = response.expiresIn();
  return {
    claims,
    profile: previous?.profile,
    idToken,
    accessToken: response.access_token,
    refreshToken: response.refresh_token ?? previous?.refreshToken,
    scope: response.scope ?? previous?.scope ?? '',
    expiresAt: expiresIn === undefined ? undefined : Date.now() + expiresIn * 1000,
  };
}

/** Reads an answer, and no more of it than anybody wants to see. */
async function readAnswer(response: Response): Promise<ApiAnswer> {
  const text = await response.text();
  return { status: response.status, body: text.slice(0, LONGEST_ANSWER) };
}

async function refresh(config: oidc.Configuration, signIn: SignIn): Promise<SignIn> {
  if (!signIn.refreshToken) throw new Error('the provider gave no refresh token');
  const response = await oidc.refreshTokenGrant(config, signIn.refreshToken);
  const next = toSignIn(response, signIn);
  // OpenID Connect Core 12.2: a refresh must not turn one person into another.
  if (next.claims.sub !== signIn.claims.sub) throw new Error('the refresh changed the subject');
  return next;
}

const fetchUserInfo = (config: oidc.Configuration, { accessToken, claims }: SignIn) =>
  oidc.fetchUserInfo(config, accessToken, claims.sub);

async function callApi(
  config: oidc.Configuration,
  { accessToken }: SignIn,
  url: URL,
): Promise<ApiAnswer> {
  try {
    return await readAnswer(
      await oidc.fetchProtectedResource(
        config,
        accessToken,
        url,
        'GET',
        undefined,
        new Headers({
          accept: 'application/json',
        }),
      ),
    );
  } catch (error) {
    if (error instanceof oidc.WWWAuthenticateChallengeError) return readAnswer(error.response);
    throw error;
  }
}

/**
 * A client of the provider at `issuer`. Nothing is asked of the provider yet.
 * @param options `scope` is what to ask for, separated by blanks
 * @throws Error for an issuer that is neither https nor on localhost
 */
export function createOidcClient(
  settings: ClientSettings,
  options: { issuer: string; scope: string },
): OidcClient {
  const configuration = discoverLazily(new URL(options.issuer), settings);
  return {
    settings,
    async begin() {
      const config = await configuration();
      const codeVerifier = oidc.randomPKCECodeVerifier();
      const pending = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        codeVerifier,
        startedAt: Date.now(),
      };
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: settings.redirectUri,
        scope: options.scope,
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
      });
      return { url, pending };
    },
    async finish(callback, pending) {
      const config = await configuration();
      const response = await oidc.authorizationCodeGrant(config, callback, {
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        pkceCodeVerifier: pending.codeVerifier,
        idTokenExpected: true,
      });
      const signIn = toSignIn(response);
      return { ...signIn, profile: await fetchUserInfo(config, signIn) };
    },
    refresh: async (signIn) => refresh(await configuration(), signIn),
    fetchUserInfo: async (signIn) => fetchUserInfo(await configuration(), signIn),
    callApi: async (signIn, url) => callApi(await configuration(), signIn, url),
    async endSessionUrl(signIn, { returnTo, state }) {
      return oidc.buildEndSessionUrl(await configuration(), {
        id_token_hint: signIn.idToken,
        post_logout_redirect_uri: returnTo,
        state,
      });
    },
  };
}
