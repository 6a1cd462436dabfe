import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = [Address, number];

/** The other end of a connection. */
interface Peer {
  address: Address | null;
  text: string | null;
  isProxy: boolean;
}

/** More hops than these are not a proxy chain but a flood. */
const MOST_HOPS = 32;

/** Chains of hops that are remembered, and the longest of them in characters: some 100 KB. */
const MOST_CHAINS = 1_000;
const LONGEST_CHAIN = 100;

/** What is believed of a request's origin, given which proxies are trusted. */
export interface Proxies {
  /** The client's address in its one normal spelling, or null when there is none (a Unix socket). */
  clientIp(request: IncomingMessage): string | null;
  /** Whether the client's own connection was secured, as far as can be trusted. */
  isSecure(request: IncomingMessage): boolean;
  /** Whether the connection comes from a trusted proxy, so that what it says by headers counts. */
  isProxy(request: IncomingMessage): boolean;
  /** The host that the client asked for, lower case, with its port if given; null when unusable. */
  host(request: IncomingMessage): string | null;
}

/** Strict forms only: ipaddr.js would also read `0x7f.1` or `127.1`. */
function parseAddress(text: string): Address | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return /(?:^|\.)0\d/.test(text) ? null : ipaddr.IPv4.parse(text);
  }
  if (!text.includes(':') || !ipaddr.IPv6.isValid(text)) return null;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : withoutZone(address);
}

const withoutZone = (address: ipaddr.IPv6): ipaddr.IPv6 => new ipaddr.IPv6(address.parts);

/**
 * The one normal spelling of an address: IPv4-mapped as IPv4, IPv6 compressed
 * (RFC 5952), no zone. @returns null when it is no address
 */
export const normaliseIp = (text: string): string | null => parseAddress(text)?.toString() ?? null;

function parseNetwork(text: string): Network {
  const [base = '', bits] = text.split('/');
  const address = parseAddress(base);
  if (!address) throw new TypeError(`not an address or CIDR range: ${text}`);
  const mapped = base.includes(':') && address.kind() === 'ipv4';
  const longest = address.kind() === 'ipv4' ? 32 : 128;
  const length = bits === undefined ? longest : Number(bits) - (mapped ? 96 : 0);
  if (!Number.isInteger(length) || length < 0 || length > longest) {
    throw new TypeError(`not a CIDR range: ${text}`);
  }
  return [address, length];
}

/** One hop of X-Forwarded-For: an address, with the port that some proxies add. */
function parseHop(text: string): Address | null {
  const hop = text.trim();
  const withPort = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(hop) ?? /^([\d.]+):\d{1,5}$/.exec(hop);
  return parseAddress(withPort?.[1] ?? hop);
}

const lastValue = (header: string | string[] | undefined): string | undefined =>
  (Array.isArray(header) ? header.join(',') : header)?.split(',').at(-1)?.trim().toLowerCase();

const HOST = /^(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * Decides whom to believe. X-Forwarded-* headers count only when the connection
 * comes from a trusted proxy (RFC 9700 4.13, CVE-2026-45364).
 * @param options `trustedProxies` addresses and CIDR ranges
 * @throws TypeError for an entry that is neither
 */
export function createProxies(options: { trustedProxies: readonly string[] }): Proxies {
  const networks = options.trustedProxies.map(parseNetwork);
  const isTrusted = (address: Address): boolean =>
    networks.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits));
  // A connection keeps its other end, and carries many requests.
  const peers = new WeakMap<Socket, Peer>();
  function peerOf({ socket }: IncomingMessage): Peer {
    const known = peers.get(socket);
    if (known) return known;
    const address = parseAddress(socket.remoteAddress ?? '');
    const peer = {
      address,
      text: address?.toString() ?? null,
      isProxy: address !== null && isTrusted(address),
    };
    // Without an address the connection is gone, or is a Unix socket's: nothing to remember.
    if (address) peers.set(socket, peer);
    return peer;
  }

  // Callers come again and again, on any of the proxy's connections.
  const clients = new Map<string, string>();
  function findClient(peer: Address, forwarded: string): string {
    let client = peer;
    // From the right: each trusted hop vouches for the one that it names.
    const hops = forwarded.split(',').slice(-MOST_HOPS);
    while (isTrusted(client)) {
      const hop = hops.pop();
      const named = hop === undefined ? null : parseHop(hop);
      if (!named) break;
      client = named;
    }
    return client.toString();
  }

  return {
    clientIp(request) {
      const peer = peerOf(request);
      const { address, isProxy } = peer;
      const forwarded = request.headers['x-forwarded-for'];
      if (!address || !isProxy || forwarded === undefined) return peer.text;
      const chain = String(forwarded);
      const key = `${peer.text} ${chain}`;
      const known = clients.get(key);
      if (known !== undefined) return known;
      const client = findClient(address, chain);
      if (clients.size >= MOST_CHAINS) clients.clear();
      if (key.length <= LONGEST_CHAIN) clients.set(key, client);
      return client;
    },
    isSecure(request) {
      if ('encrypted' in request.socket && request.socket.encrypted === true) return true;
      return peerOf(request).isProxy && lastValue(request.headers['x-forwarded-proto']) === 'https';
    },
    isProxy: (request) => peerOf(request).isProxy,
    host(request) {
      const forwarded = peerOf(request).isProxy
        ? lastValue(request.headers['x-forwarded-host'])
        : undefined;
      // RFC 9112 3.2.2: the authority of an absolute-form target replaces Host.
      const target = /^https?:\/\/([^/?#]*)/i.exec(request.url ?? '')?.[1];
      const host = forwarded ?? (target ?? request.headers.host ?? '').toLowerCase();
      return HOST.test(host) ? host : null;
    },
  };
}
