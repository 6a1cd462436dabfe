import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Outbound } from '../infra/outbound.ts';

/** Milliseconds that a request object may take to arrive: a browser waits for it. */
const TIMEOUT = 2_500;

/** Longest request object, in characters; the same as of one by value that a request line takes. */
const LONGEST = 16_384;

async function readRequestObject(outbound: Pick<Outbound, 'fetch'>, uri: string): Promise<string> {
  const response = await outbound.fetch(uri, {
    headers: { accept: 'application/oauth-authz-req+jwt, application/jwt' },
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the status is ${response.status}`);
  }
  const text = (await response.text()).trim();
  if (text === '' || text.length > LONGEST) throw new Error('the length is wrong');
  return text;
}

/**
 * Authorization requests by reference (RFC 9101 5.2, OpenID Connect Core 6.2).
 * Upstream no longer has them; they are read here, from addresses that
 * the client has registered and no others, and are then as if given by value.
 * @returns a step for the authorization endpoint, before pushed requests are looked up
 * @throws InvalidRequestUri that says nothing of what was met on the way
 */
export function createRequestUriStep(outbound: Pick<Outbound, 'fetch'>) {
  return async ({ oidc }: KoaContextWithOIDC): Promise<void> => {
    const params = oidc.params as Record<string, string | undefined>;
    const { request_uri: uri, request } = params;
    if (uri === undefined || !URL.parse(uri)?.protocol.startsWith('http')) return;
    if (request !== undefined) {
      throw new errors.InvalidRequest('request and request_uri must not be used together');
    }
    const { request_uris: registered } = oidc.client as Client & { request_uris?: string[] };
    if (!registered?.includes(uri)) {
      throw new errors.InvalidRequestUri('request_uri is not registered by the client');
    }
    params.request = await readRequestObject(outbound, uri).catch((cause: unknown) => {
      throw Object.assign(new errors.InvalidRequestUri('request_uri could not be read'), { cause });
    });
    params.request_uri = undefined;
  };
}
