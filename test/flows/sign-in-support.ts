import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';
import type { Reachable } from './support.ts';

export interface Try {
  status: number;
  retryAfter: string | null;
  html: string;
  headers: Headers;
  /** The device cookie that the answer sets. */
  device: string | undefined;
}

/** A sign-in page that was opened, and tries on it from any address. */
export interface SignInPage {
  attempt(identifier: string, password: string, address?: string): Promise<Try>;
}

/** Over plain HTTP, as in tests, it has no prefix. */
const DEVICE_COOKIE = 'gh_device';

/** The device cookie that an answer sets. */
export const deviceCookieOf = (response: Response): string | undefined =>
  response.headers
    .getSetCookie()
    .map((line) => /^(?:__Host-)?gh_device=([^;]+)/.exec(line)?.[1])
    .find((value) => value !== undefined);

/**
 * Opens the sign-in page. Tries carry their address as a proxy would tell it,
 * so the world must trust loopback.
 * @param at the process that serves it, where there is more than one
 * @param device the device cookie of the browser, if it has one
 */
export async function openSignIn(
  world: Reachable,
  at = world.url,
  device?: string,
): Promise<SignInPage> {
  const configuration = await discover(world.url, world.client);
  const request = await authorizationRequest(configuration, world.client.redirectUri);
  const agent = createUserAgent(at);
  const page = await agent.follow(new URL(request.url.pathname + request.url.search, at));
  const { action, fields } = findForm(page, '/sign-in');
  return {
    async attempt(identifier, password, address) {
      const cookies = [...agent.cookies].filter(([name]) => name !== DEVICE_COOKIE);
      if (device !== undefined) cookies.push([DEVICE_COOKIE, device]);
      const response = await agent.fetch(action, {
        method: 'POST',
        headers: {
          cookie: cookies.map((pair) => pair.join('=')).join('; '),
          ...(address === undefined ? {} : { 'x-forwarded-for': address }),
        },
        body: new URLSearchParams({ ...fields, identifier, password }),
      });
      return {
        status: response.status,
        retryAfter: response.headers.get('retry-after'),
        html: await response.text(),
        headers: response.headers,
        device: deviceCookieOf(response),
      };
    },
  };
}

/** The world that trusts loopback to name the client's address. */
export const TRUSTING = { TRUSTED_PROXIES: '127.0.0.1,::1' };

/** Makes addresses that nobody used before: each has budgets of its own. */
export function addressesIn(network: string): () => string {
  let last = 0;
  return () => {
    last += 1;
    return `${network}.${last}`;
  };
}
