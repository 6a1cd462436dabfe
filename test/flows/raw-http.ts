import assert from 'node:assert/strict';
import { request } from 'node:http';
import fc from '../helpers/fast-check.ts';

/** Requests that no library would send, and what every answer must look like all the same. */

export interface RawRequest {
  method?: string;
  path: string;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
}

export interface RawAnswer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: string;
}

/** Milliseconds after which an answer is overdue. */
const PATIENCE = 10_000;

/** Sends a request as it is; a connection that the server cuts after its answer is fine. */
export function send(origin: string, { method, path, headers, body }: RawRequest) {
  const { hostname, port } = new URL(origin);
  // Node frames the body of a GET or DELETE only if told to.
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise<RawAnswer>((resolve, reject) => {
    let answered = false;
    const outgoing = request(
      {
        hostname,
        port,
        path,
        method: method ?? 'GET',
        headers: { ...length, ...headers },
        timeout: PATIENCE,
      },
      (incoming) => {
        answered = true;
        let text = '';
        const finish = () =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text });
        incoming.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        incoming.on('end', finish).on('error', finish);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${path} did not answer`)));
    outgoing.on('error', (error) => {
      if (!answered) reject(error);
    });
    outgoing.end(body);
  });
}

const INTERNALS = /\n\s+at |node_modules|\.ts:\d+|\bSELECT\b.*\bFROM\b|ECONN|"stack":/;

const contentType = ({ headers }: RawAnswer): string => String(headers['content-type'] ?? '');

/** Refused by the HTTP server itself, for headers beyond its bound (RFC 6585 5). */
const isTooLong = ({ status }: RawAnswer): boolean => status === 431;

/** What holds for every answer: not our fault, and nothing of our insides. */
export function assertSound(answer: RawAnswer, about: unknown): void {
  if (isTooLong(answer)) return;
  const where = JSON.stringify(about)?.slice(0, 600);
  assert.ok(answer.status >= 200 && answer.status < 500, `${answer.status} for ${where}`);
  assert.doesNotMatch(answer.body, INTERNALS, where);
  assert.ok(answer.headers['x-request-id'], `no request id for ${where}`);
}

/** An OAuth error (RFC 6749 5.2), or a problem document where the request never got that far. */
export function assertOAuthError(answer: RawAnswer, about: unknown): void {
  assertSound(answer, about);
  if (answer.status < 400 || isTooLong(answer)) return;
  assert.match(contentType(answer), /json/, JSON.stringify(about)?.slice(0, 600));
  const body = JSON.parse(answer.body) as Record<string, unknown>;
  if (contentType(answer).startsWith('application/problem+json')) {
    assertProblem(answer, about);
    return;
  }
  assert.match(String(body.error), /^[a-z_]+$/);
  if (body.error_description !== undefined) {
    // RFC 6749 5.2: printable ASCII without quote and backslash.
    assert.match(String(body.error_description), /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/);
  }
}

/** A problem document (RFC 9457) of our catalogue. */
export function assertProblem(answer: RawAnswer, about: unknown): void {
  assertSound(answer, about);
  if (isTooLong(answer)) return;
  assert.match(contentType(answer), /^application\/problem\+json/, JSON.stringify(about));
  const body = JSON.parse(answer.body) as Record<string, unknown>;
  assert.match(String(body.code), /^IDENT_[A-Z_]+$/);
  assert.equal(body.type, `urn:gatehouse:error:${String(body.code)}`);
  assert.equal(body.status, answer.status);
  assert.equal(body.requestId, answer.headers['x-request-id']);
}

/** A page of ours, or a redirect. */
export function assertPage(answer: RawAnswer, about: unknown): void {
  assertSound(answer, about);
  if (isTooLong(answer)) return;
  if (answer.status >= 300 && answer.status < 400) {
    assert.ok(answer.headers.location, 'a redirect has a target');
    return;
  }
  assert.match(contentType(answer), /^text\/html/, `${answer.status} ${JSON.stringify(about)}`);
  assert.match(answer.body, /^\s*<!doctype html>/i);
  assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
}

/** Values that parsers, databases and templates have stumbled over. */
export const oddValue = fc.oneof(
  fc.constantFrom(
    ...['', ' ', '\u0000', 'a\u0000b', 'null', 'undefined', 'true', '0', '-1', '1e309', 'NaN'],
    ...['__proto__', 'constructor', 'toString', '[object Object]', '{}', '[]', '{"a":1}'],
    ...["' OR '1'='1", '"; DROP TABLE users; --', '<script>alert(1)</script>', '{{7*7}}', '#{7*7}'],
    ...['../../etc/passwd', '%00', '%', '%zz', '\r\nSet-Cookie: x=1', '\u202e', '\ud800', '😀'],
    ...['x'.repeat(8_000), 'é'.repeat(2_000), 'eyJhbGciOiJub25lIn0.e30.', 'a.b.c', 'ghr_', 'gha_x'],
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 }),
);

/** A form or query out of the given names, some twice, some foreign, with odd values. */
export const oddParameters = (names: readonly string[]) =>
  fc
    .array(
      fc.tuple(
        fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom(...names) },
          {
            weight: 1,
            arbitrary: fc.constantFrom('__proto__', 'constructor', 'a[b]', 'a[]', '', 'toString'),
          },
        ),
        oddValue,
      ),
      { maxLength: 8 },
    )
    .map((pairs) => {
      const result = new URLSearchParams();
      for (const [name, value] of pairs) result.append(name, value.toWellFormed());
      return result;
    });

/** Bytes that are not UTF-8 once percent-decoded, and other spoilt encodings. */
export const spoiltQueries = [
  'a=%ff%fe',
  'client_id=%c0%80',
  'client_id=%ed%a0%80',
  'state=%',
  'state=%zz',
  '&&&===&',
  'client_id',
  '=',
  'a=1;b=2',
  'client_id[]=1&client_id[x]=2',
  '__proto__[polluted]=1',
  'constructor.prototype.polluted=1',
];

/** Authorization headers that are not what a scheme asks for (GHSA-gv94-wp4h-vv8p). */
export const oddAuthorizations = [
  ...['Bearer', 'Bearer ', 'bearer', 'Basic', 'Basic ', 'Basic !!!!', 'Basic Og==', 'Basic YQ=='],
  ...['Basic YTpi', 'Basic YTpi=', 'Basic YTp i', 'Basic\tYTpi', 'Bearer\tx', 'Bearer x y'],
  ...['Bearer x, Basic YTpi', 'Negotiate abc', 'DPoP x', 'Digest username="x"', 'Bearer "x"'],
  ...['Bearer \u00e9', `Bearer ${'x'.repeat(9_000)}`, `Basic ${'A'.repeat(9_000)}`, ',', '=', 'x'],
  ...['Basic JTAwOiUwMA==', 'Basic Lzo=', 'Basic /w==', 'Basic JTo=', 'Basic JXp6OnA='],
];
