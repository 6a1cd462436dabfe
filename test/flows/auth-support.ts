import type { Answer, World } from './support.ts';

/** A request to the JSON API; no body where none is given. */
export async function callApi(
  url: string,
  method: string,
  path: string,
  options: { body?: unknown; token?: string | undefined; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { body, token, headers } = options;
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed = text === '' ? {} : JSON.parse(text);
  return { status: response.status, headers: response.headers, body: parsed };
}

export interface ApiTokens {
  accessToken: string;
  refreshToken: string;
}

/** Signs the world's person in by the API. @throws when that is refused */
export async function login(
  { url, people }: Pick<World, 'url' | 'people'>,
  headers: Record<string, string> = {},
): Promise<ApiTokens> {
  const { email: identifier, password } = people.user;
  const body = { identifier, password };
  const answer = await callApi(url, 'POST', '/auth/login', { body, headers });
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as unknown as ApiTokens;
}

/** A token of a sign-in that has shown both factors, whether there is a second or not. */
export async function tokenOfBoth({ deps }: Pick<World, 'deps'>, userId: string): Promise<string> {
  const account = await deps.users.findAccount(userId);
  if (!account) throw new Error('there is no such user');
  const { accessToken } = await deps.auth.complete(
    {
      user: account.user,
      amr: ['pwd', 'otp', 'mfa'],
      acr: 'urn:gatehouse:acr:2fa',
      authTime: Math.floor(deps.clock.now() / 1_000),
      tenantId: null,
    },
    { tenantId: null },
  );
  return accessToken;
}

export const refreshApi = (url: string, refreshToken: string): Promise<Answer> =>
  callApi(url, 'POST', '/auth/refresh', { body: { refreshToken } });

export { CHEAP_HASHES } from '../helpers/gatehouse.ts';
