import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';

/** Milliseconds that a whole outbound request may take unless its signal says less. */
const TIMEOUT = 5_000;

/** Bytes of a response's body at most. */
const MAX_RESPONSE = 1024 * 1024;

/** A request was refused because of where it leads. */
export class OutboundRefusedError extends Error {
  override readonly name = 'OutboundRefusedError';
}

/**
 * Requests to addresses that somebody else chose: jwks_uri, request_uri,
 * sector_identifier_uri, client metadata documents, back-channel logout, CIBA
 * pings, webhooks. All go through here.
 */
export interface Outbound {
  /**
   * As the platform's fetch, without redirects, with bounded time and body.
   * @throws OutboundRefusedError (as the cause) for an address that is not public
   */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** Whether an address is of the public Internet: neither private, loopback, link-local nor reserved. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // `process` unwraps IPv4-mapped IPv6, in which every IPv4 range could hide.
  const range = ipaddr.process(address).range();
  return range === 'unicast';
}

/**
 * The guard checks the address that a connection really has, once it is up and
 * before anything is sent: a name that resolves differently the second time
 * (DNS rebinding) gains nothing.
 * @param allowedHosts host names, or host:port, that are reached wherever they
 *   lie: `OUTBOUND_ALLOWED_HOSTS`
 */
export function createOutbound(allowedHosts: readonly string[]): Outbound {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  const connect = buildConnector({ timeout: TIMEOUT });
  const isAllowed = (hostname: string, port: string): boolean =>
    allowed.has(hostname.toLowerCase()) || allowed.has(`${hostname}:${port}`.toLowerCase());

  const agent = new Agent({
    maxResponseSize: MAX_RESPONSE,
    headersTimeout: TIMEOUT,
    bodyTimeout: TIMEOUT,
    connect(options, callback) {
      const { hostname, protocol } = options;
      const port = options.port || (protocol === 'https:' ? '443' : '80');
      const bare = hostname.replace(/^\[|\]$/g, '');
      const refuse = () =>
        callback(new OutboundRefusedError(`${hostname} is not a public address`), null);
      if (isAllowed(hostname, port)) return connect(options, callback);
      if (isIP(bare) !== 0 && !isPublicAddress(bare)) return refuse();
      connect(options, (error, socket) => {
        if (error) return callback(error, null);
        if (isPublicAddress(socket.remoteAddress ?? '')) return callback(null, socket);
        socket.destroy();
        refuse();
      });
    },
  });
  return {
    async fetch(url, init = {}) {
      const { signal, ...rest } = init;
      const limit = AbortSignal.timeout(TIMEOUT);
      const response = await undiciFetch(url, {
        ...(rest as object),
        redirect: 'manual',
        dispatcher: agent,
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      return response as unknown as Response;
    },
    close: () => agent.close(),
  };
}
