/** What both sides of the comparison are told to be: one issuer, the same clients and people. */

/** Clients on each side. */
export const CLIENTS = 10;

/** People on each side: one for each connection, so that sign-ins meet no limit per account. */
export const PEOPLE = 32;

/** Behind a proxy that ends TLS, as in production: https outside, plain HTTP between. */
export const ISSUER = 'https://auth.bench.example';

export const REDIRECT_URI = 'https://app.bench.example/callback';

export const PASSWORD = 'correct horse battery staple';

export const SCOPE = 'openid profile email';

export interface BenchClient {
  clientId: string;
  clientSecret: string;
}

/** What the seed made in Gatehouse and the bare engine is given as well. */
export interface World {
  clients: BenchClient[];
  people: { id: string; email: string }[];
  /** Accounts that nobody may use. */
  suspended: { id: string; email: string }[];
  /** An account to be locked by failures. */
  closed: { id: string; email: string };
  tenantId: string;
}

/** Registration metadata of every client, on both sides. */
export const clientMetadata = (index: number): Record<string, unknown> => ({
  client_name: `Bench ${index}`,
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
});
