import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type ApiRequest, normaliseIp } from '../kernel/http/index.ts';
import { thumbprintOf } from './internals.ts';

/** Longest header that is read as a certificate, in characters. */
const LONGEST = 16_384;

/** Certificates come again and again, on all requests of a connection; this many are kept parsed. */
const MOST_KEPT = 500;

const ONE_PEM = /^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/;

/** The certificate's PEM or DER out of a header value, in one of the forms that proxies write. */
function decode(value: string): string | Buffer | undefined {
  // RFC 9440 2.2: a byte sequence of structured fields.
  const bytes = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(value)?.[1];
  if (bytes) return Buffer.from(bytes, 'base64');
  // As nginx escapes PEM for a header. One certificate: of two, the first may be whosever the
  // client sent, before a proxy that adds to the header where it should replace it.
  const pem = decodeURIComponent(value);
  return ONE_PEM.test(pem) ? pem : undefined;
}

function parse(value: string): X509Certificate | undefined {
  try {
    const encoded = decode(value);
    return encoded === undefined ? undefined : new X509Certificate(encoded);
  } catch {
    return undefined;
  }
}

/** Finds the client certificate of a request; undefined when there is none, or it is not one. */
export type ReadCertificate = (
  request: Pick<IncomingMessage, 'headers'>,
) => X509Certificate | undefined;

/**
 * Reads the client certificate that a proxy tells of by a header: percent-encoded
 * PEM or an RFC 9440 byte sequence. The application has seen to it that only a
 * trusted proxy can have written that header.
 *
 * @param header its name in small letters
 */
export function createCertificateReader(header: string): ReadCertificate {
  const kept = new Map<string, X509Certificate | undefined>();
  return (request) => {
    const value = request.headers[header];
    if (typeof value !== 'string' || value.length > LONGEST) return undefined;
    if (kept.has(value)) return kept.get(value);
    const certificate = parse(value);
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(value, certificate);
    return certificate;
  };
}

/**
 * The thumbprint of the certificate that a call of our own API comes with
 * (RFC 8705 3.1): SHA-256 of its DER, base64url.
 * @param header undefined: mutual TLS is not served, and no call has one
 */
export function createThumbprintReader(
  header: string | undefined,
): (request: Pick<ApiRequest, 'header'>) => string | undefined {
  if (header === undefined) return () => undefined;
  const read = createCertificateReader(header);
  return (request) => {
    const certificate = read({ headers: { [header]: request.header(header) } });
    return certificate && thumbprintOf(certificate);
  };
}

/** `TYPE=value` with the type in capitals and escapes resolved (RFC 4514 2.4). */
function normaliseRdn(rdn: string): string {
  const mark = rdn.indexOf('=');
  const type = rdn.slice(0, mark).trim().toUpperCase();
  const value = rdn
    .slice(mark + 1)
    .trim()
    .replace(/\\(?:([0-9a-fA-F]{2})|(.))/g, (_, hex: string | undefined, character: string) =>
      hex === undefined ? character : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return `${type}=${value}`;
}

/** The parts of a distinguished name as RFC 4514 writes it: last first, commas between. */
const partsOf = (dn: string): string[] =>
  (dn.match(/(?:\\.|[^,\\])+/g) ?? []).map(normaliseRdn).reverse();

const isSameDn = (subject: string, expected: string): boolean => {
  const [own, wanted] = [subject.split('\n').map(normaliseRdn), partsOf(expected)];
  return own.length === wanted.length && own.every((part, index) => part === wanted[index]);
};

/** Alternative names of one kind; node quotes those that hold a delimiter. */
function alternativeNames({ subjectAltName = '' }: X509Certificate, kind: string): string[] {
  const names = subjectAltName.matchAll(/(?:^|, )([\w ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...names]
    .filter(([, type]) => type === kind)
    .map(([, , name = '']) => (name.startsWith('"') ? String(JSON.parse(name)) : name));
}

const sameText = (one: string, other: string): boolean => one === other;
const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

const sameIp = (one: string, other: string): boolean => {
  const address = normaliseIp(one);
  return address !== null && address === normaliseIp(other);
};

const alternatives: Record<string, [kind: string, same: typeof sameText]> = {
  tls_client_auth_san_dns: ['DNS', sameName],
  tls_client_auth_san_uri: ['URI', sameText],
  tls_client_auth_san_ip: ['IP Address', sameIp],
  tls_client_auth_san_email: ['email', sameText],
};

/**
 * Whether a certificate is about the subject that a client registered.
 *
 * @param property one of the five members of RFC 8705 2.1.2
 */
export function subjectMatches(
  certificate: X509Certificate,
  property: string,
  expected: string,
): boolean {
  if (property === 'tls_client_auth_subject_dn') return isSameDn(certificate.subject, expected);
  const [kind, same] = alternatives[property] ?? [];
  if (!kind || !same) return false;
  return alternativeNames(certificate, kind).some((name) => same(name, expected));
}
