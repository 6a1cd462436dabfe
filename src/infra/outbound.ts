import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';

/** Milliseconds that a whole outbound request may take unless its signal says less. */
const TIMEOUT = 5_000;

/** Bytes of a response's body at most, as sent and as unpacked. */
const MAX_RESPONSE = 1024 * 1024;

/** Connections to one origin at most: a client must not make us its hammer. */
const MAX_CONNECTIONS = 16;

/** A request was refused because of where it leads. */
export class OutboundRefusedError extends Error {
  override readonly name = 'OutboundRefusedError';
}

/** A response's body was longer than is read. */
export class OutboundTooLargeError extends Error {
  override readonly name = 'OutboundTooLargeError';
}

/**
 * Requests to addresses that somebody else chose: jwks_uri, request_uri,
 * sector_identifier_uri, client metadata documents, back-channel logout, CIBA
 * pings, webhooks. All go through here.
 */
export interface Outbound {
  /**
   * As the platform's fetch, without redirects (a 3xx is answered as it came),
   * with bounded time and body.
   * @throws TypeError with an OutboundRefusedError as its cause for an address that is not public
   */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  /**
   * A plain connection to a host that somebody else chose, such as a tenant's mail server.
   * @throws OutboundRefusedError for one that is not public
   */
  connect(target: { host: string; port: number }): Promise<Socket>;
  close(): Promise<void>;
}

/** Resolves a name to all of its addresses. */
export type ResolveAll = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface OutboundOptions {
  /** How names are resolved; the system's way unless given. */
  resolve?: ResolveAll;
  /** Certificates (PEM) that are trusted instead of the well-known ones. */
  ca?: string[];
}

/** The IPv4 address inside one of NAT64's well-known prefix (RFC 6052 2.1), behind which it lies. */
function unwrapNat64(address: ipaddr.IPv6): ipaddr.IPv4 {
  return new ipaddr.IPv4(address.toByteArray().slice(12));
}

/** Global unicast, the only part of IPv6 from which public addresses are given (RFC 4291 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/** Special blocks inside it that our table does not know: documentation (RFC 9637), 6bone's return. */
const SPECIAL = ['3fff::/20', '3ffe::/16'].map((block) => ipaddr.IPv6.parseCIDR(block));

/** Whether an address is of the public Internet: neither private, loopback, link-local nor reserved. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // `process` unwraps IPv4-mapped IPv6, in which every IPv4 range could hide.
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.range() === 'unicast';
  if (parsed.range() === 'rfc6052') return unwrapNat64(parsed).range() === 'unicast';
  return (
    parsed.range() === 'unicast' &&
    parsed.match(GLOBAL_UNICAST) &&
    !SPECIAL.some((block) => parsed.match(block))
  );
}

/**
 * A look-up that answers only if all addresses of a name are acceptable. It is
 * the one that the connection is made by: a name that resolves differently a
 * second time (DNS rebinding) has no second time.
 */
const lookupBy =
  (resolve: ResolveAll, accepts: (address: string) => boolean): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      const [first] = addresses;
      if (!first || !addresses.every(({ address }) => accepts(address))) {
        return callback(new OutboundRefusedError(`${hostname} is not public`), '', 0);
      }
      if (options.all) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };

/** The body as it is read, until it grows too long: compressed ones can hide their length. */
function bounded(response: Response): Response {
  if (!response.body) return response;
  let size = 0;
  const body = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.byteLength;
        if (size > MAX_RESPONSE) controller.error(new OutboundTooLargeError('too long a body'));
        else controller.enqueue(chunk);
      },
    }),
  );
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

/**
 * The guard checks the addresses that a connection is made to, before it is
 * made, and the one that it has, before anything is sent.
 *
 * Only `https:` leads to the public Internet: what comes by `http:` (keys, a
 * request, the list of a sector) could be anybody's. Named hosts may use it.
 * @param allowedHosts host names, or host:port, that are reached wherever they
 *   lie: `OUTBOUND_ALLOWED_HOSTS`
 */
export function createOutbound(
  allowedHosts: readonly string[],
  options: OutboundOptions = {},
): Outbound {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  const resolve = options.resolve ?? (systemLookup as ResolveAll);
  const connecting = (accepts: (address: string) => boolean) =>
    buildConnector({
      timeout: TIMEOUT,
      lookup: lookupBy(resolve, accepts),
      ...(options.ca ? { ca: options.ca } : {}),
    });
  const connectAnywhere = connecting(() => true);
  const connectPublic = connecting(isPublicAddress);
  const isAllowed = (protocol: string, hostname: string, port: string): boolean => {
    const effective = port || (protocol === 'https:' ? '443' : '80');
    const host = hostname.toLowerCase();
    return allowed.has(host) || allowed.has(`${host}:${effective}`);
  };

  const agent = new Agent({
    connections: MAX_CONNECTIONS,
    maxResponseSize: MAX_RESPONSE,
    headersTimeout: TIMEOUT,
    bodyTimeout: TIMEOUT,
    connect(target, callback) {
      const { hostname, protocol, port } = target;
      if (isAllowed(protocol, hostname, port)) return connectAnywhere(target, callback);
      const bare = hostname.replace(/^\[|\]$/g, '');
      const refuse = () =>
        callback(new OutboundRefusedError(`${hostname} is not a public address`), null);
      // Literals are not looked up, so they are checked here.
      if (isRefused(bare)) return refuse();
      connectPublic(target, (error, socket) => {
        if (error) return callback(error, null);
        if (isPublicAddress(socket.remoteAddress ?? '')) return callback(null, socket);
        socket.destroy();
        refuse();
      });
    },
  });
  /** Whether a literal address may be connected to; names are judged by what they resolve to. */
  const isRefused = (host: string): boolean => isIP(host) !== 0 && !isPublicAddress(host);

  return {
    connect: ({ host, port }) =>
      new Promise((resolveSocket, reject) => {
        const isFree =
          allowed.has(host.toLowerCase()) || allowed.has(`${host.toLowerCase()}:${port}`);
        const refused = new OutboundRefusedError(`${host} is not a public address`);
        if (!isFree && isRefused(host)) return reject(refused);
        const lookup = lookupBy(resolve, isFree ? () => true : isPublicAddress);
        const socket = connect({ host, port, lookup, timeout: TIMEOUT });
        const fail = (error: Error): void => {
          socket.destroy();
          reject(error);
        };
        socket.once('error', fail);
        socket.once('timeout', () => fail(new Error('the connection timed out')));
        socket.once('connect', () => {
          if (!isFree && !isPublicAddress(socket.remoteAddress ?? '')) return fail(refused);
          socket.removeListener('error', fail);
          socket.removeAllListeners('timeout');
          socket.setTimeout(0);
          resolveSocket(socket);
        });
      }),
    async fetch(url, { signal, ...init } = {}) {
      const { protocol, hostname, port, username, password } = new URL(url);
      const mayGo =
        protocol === 'https:' || (protocol === 'http:' && isAllowed(protocol, hostname, port));
      if (!mayGo || username !== '' || password !== '') {
        const cause = new OutboundRefusedError('only https is requested');
        throw new TypeError('fetch failed', { cause });
      }
      const limit = AbortSignal.timeout(TIMEOUT);
      const response = await undiciFetch(url, {
        ...(init as object),
        redirect: 'manual',
        // The engine brings a dispatcher of its own, which guards less: ours takes its place.
        dispatcher: agent,
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      return bounded(response as unknown as Response);
    },
    close: () => agent.close(),
  };
}
