import { availableParallelism } from 'node:os';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { Secret } from './kernel/crypto.ts';
import { MAILBOX } from './kernel/mailbox.ts';

const duration = (fallback: number) => z.coerce.number().int().positive().default(fallback);
const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false'])
    .default(fallback ? 'true' : 'false')
    .transform((value) => value === 'true');
const list = z
  .string()
  .default('')
  .transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  );
const isNetwork = (value: string) =>
  value.includes('/') ? ipaddr.isValidCIDR(value) : ipaddr.isValid(value);
const headerName = z
  .string()
  .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a header')
  .transform((name) => name.toLowerCase());
/** What an Android app is known by: the hash of the certificate that it is signed with. */
const ANDROID_ORIGIN = /^android:apk-key-hash:[\w-]{43}$/;
const secret = z.string().transform((value) => new Secret(value));

const postgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' });
const redisUrl = z.url({ protocol: /^rediss?$/, error: 'must be a redis:// or rediss:// URL' });

function isIssuer(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, search, hash, hostname, pathname } = new URL(value);
  const local = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
  const secure = protocol === 'https:' || (protocol === 'http:' && local);
  return secure && search === '' && hash === '' && pathname === '/' && !value.endsWith('/');
}

const isNatsUrl = (value: string): boolean =>
  value
    .split(',')
    .every((one) => URL.canParse(one.trim()) && /^(nats|tls):$/.test(new URL(one.trim()).protocol));

/** Of OAuth 2.0 Multiple Response Type Encoding Practices, all but a token alone. */
const responseTypes = [
  'code',
  'id_token',
  'code id_token',
  'code token',
  'id_token token',
  'code id_token token',
  'none',
];

/** Every setting: how it is read, its default, and what it is for. */
export const shape = {
  NODE_ENV: z
    .enum(['development', 'test', 'production'])
    .default('development')
    .describe('`production` refuses development conveniences'),
  PROFILE: z
    .enum(['standard', 'conformance'])
    .default('standard')
    .describe(
      '`conformance` lets the OpenID Foundation’s test suite register clients without PKCE and reaches its host; refused in production',
    ),
  RUN_MODE: z
    .enum(['all', 'api', 'worker', 'migrate'])
    .default('all')
    .describe('What this process does: serve, work off queues, both, or migrate and exit'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(3000).describe('TCP port to listen on'),
  HOST: z.string().default('').describe('Address to listen on; empty means every interface'),
  ISSUER: z
    .string()
    .refine(isIssuer, 'must be an https origin without a path (http only for localhost)')
    .optional()
    .describe('Public base URL and OpenID Connect issuer; default http://localhost:PORT'),
  ALLOWED_HOSTS: list.describe('Further Host headers to answer, beside that of the issuer'),
  DATABASE_URL: postgresUrl.transform((v) => new Secret(v)).describe('PostgreSQL, 15 or newer'),
  REDIS_URL: redisUrl.transform((v) => new Secret(v)).describe('Redis 7 or Valkey 7, or newer'),
  REDIS_PREFIX: z.string().default('gh:').describe('Put before every Redis key'),
  DATABASE_POOL_SIZE: z.coerce
    .number()
    .int()
    .min(13)
    .max(200)
    .default(24)
    .describe('Connections to PostgreSQL for each process'),
  DATABASE_STATEMENT_TIMEOUT: duration(10_000).describe('Longest SQL statement, milliseconds'),
  MIGRATE_ON_START: flag(true).describe('Apply missing migrations before serving'),
  KEY_ENCRYPTION_KEY: secret
    .optional()
    .describe('32 bytes as base64 or hex that seal keys and secrets at rest'),
  KEY_ENCRYPTION_KEY_FILE: z
    .string()
    .optional()
    .describe('File with the key-encryption key; development makes `.data/key-encryption-key`'),
  KEY_ENCRYPTION_KEY_OTHER: secret
    .optional()
    .describe('A second key that opens what it sealed, while `keys rewrap` moves values'),
  WEB_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Processes that share the port'),
  MAX_CONCURRENT_HASHES: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(availableParallelism())
    .describe('Password hashes computed at once by each process; default: the cores'),
  HASH_QUEUE_LIMIT: z.coerce
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(64)
    .describe('Sign-ins that may wait for a hash before the answer is IDENT_HASH_BUSY'),
  ARGON2_MEMORY: z.coerce
    .number()
    .int()
    .min(19_456)
    .max(262_144)
    .default(65_536)
    .describe('Memory of a password hash (argon2id), KiB; older hashes follow at the next sign-in'),
  ARGON2_PASSES: z.coerce
    .number()
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe('Passes of a password hash over its memory'),
  ARGON2_LANES: z.coerce
    .number()
    .int()
    .min(1)
    .max(4)
    .default(1)
    .describe('Lanes of a password hash; computed one after the other'),
  BREACH_RANGE_URL: z
    .url({ protocol: /^https?$/, error: 'must be an https:// or http:// URL' })
    .optional()
    .describe(
      'Range service that knows passwords from breaches, such as https://api.pwnedpasswords.com/range/; it is sent five digits of a SHA-1',
    ),
  BREACH_FILE: z
    .string()
    .min(1)
    .optional()
    .describe('File of SHA-1 hashes of passwords from breaches, sorted, one in a line'),
  ACCESS_TOKEN_TTL: duration(900).describe('Access token lifetime, seconds'),
  SERVICE_TOKEN_TTL: duration(3_600).describe(
    'Access token lifetime of client_credentials, seconds',
  ),
  ID_TOKEN_TTL: duration(3_600).describe('ID token lifetime, seconds'),
  REFRESH_TOKEN_TTL: duration(28_800).describe('Absolute refresh token lifetime, seconds'),
  SESSION_IDLE_TTL: duration(28_800).describe('Sign-in session without use, seconds'),
  SESSION_ABSOLUTE_TTL: duration(86_400).describe('Sign-in session at most, seconds'),
  SIGNING_ALG: z
    .enum(['RS256', 'ES256', 'EdDSA'])
    .default('RS256')
    .describe('Default algorithm for tokens; keys of the others are published beside it'),
  SIGNING_ALGS_EXPERIMENTAL: list
    .pipe(z.array(z.enum(['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'])))
    .describe(
      'Further algorithms that clients may choose, for tests of them: ML-DSA-44, ML-DSA-65, ML-DSA-87',
    ),
  KEY_ROTATION_INTERVAL: z.coerce
    .number()
    .int()
    .min(0)
    .default(7_776_000)
    .describe('Age at which signing keys and the keys of cookies are replaced, seconds; 0: never'),
  KEY_RETIREMENT: duration(604_800).describe(
    'A key stays published so long after it ceased to sign, seconds; at least two lives of a token',
  ),
  JWKS_MAX_AGE: duration(3_600).describe(
    'Longest that others keep the JWKS, seconds; a key is published for longer before it signs',
  ),
  ACCESS_TOKEN_FORMAT: z
    .enum(['jwt', 'opaque'])
    .default('jwt')
    .describe('Access tokens of clients that ask for no resource (RFC 8707)'),
  ALLOWED_RESPONSE_TYPES: list
    .refine(
      (items) => items.every((item) => responseTypes.includes(item)),
      `must be among ${responseTypes.join(', ')}`,
    )
    .describe(
      'Response types, beside `code`, that a client may be registered with: `code id_token`, `id_token`, or for old clients those with `token`',
    ),
  AUTHORIZATION_DETAILS_TYPES: list
    .refine(
      (items) => items.every((item) => /^[\w.:/-]{1,100}$/.test(item)),
      'must be names of letters, digits and _ . : / -',
    )
    .describe('Types of `authorization_details` that clients may ask for (RFC 9396)'),
  REQUEST_OBJECT_ENCRYPTION: flag(false).describe(
    'Publish a key that request objects may be encrypted to (RFC 9101 6.1)',
  ),
  DPOP_NONCE_REQUIRED: flag(false).describe(
    'Every DPoP proof must hold a nonce of the server; clients of the profile `fapi2` always must',
  ),
  MTLS_CERTIFICATE_HEADER: headerName
    .optional()
    .describe(
      'Header by which a trusted proxy tells of the client certificate (RFC 8705), as percent-encoded PEM or by RFC 9440; switches mutual TLS on',
    ),
  MTLS_VERIFIED_HEADER: headerName
    .optional()
    .describe(
      'Header by which the proxy says `SUCCESS` of a certificate whose chain it verified; switches `tls_client_auth` on',
    ),
  MTLS_ALIAS_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Base URL where the proxy asks clients for a certificate (`mtls_endpoint_aliases`)'),
  TRUSTED_PROXIES: list
    .refine((items) => items.every(isNetwork), 'must be addresses or CIDR ranges')
    .describe('Proxies whose X-Forwarded-* headers are believed: addresses or CIDR ranges'),
  DYNAMIC_REGISTRATION: z
    .enum(['off', 'token', 'open'])
    .default('token')
    .describe('Clients that register themselves: not at all, with an initial access token, or any'),
  DYNAMIC_REGISTRATION_TENANT: z
    .string()
    .optional()
    .describe('Slug of the tenant of clients that register without a token; default: the platform'),
  DYNAMIC_REGISTRATION_MAX_UNUSED: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe('Clients that registered without a token and were never given one, at most'),
  DYNAMIC_REGISTRATION_UNUSED_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3_650)
    .default(30)
    .describe('Days after which a client that registered itself and was never given a token goes'),
  CLIENT_ID_METADATA_DOCUMENTS: flag(true).describe(
    'Whether a client may be the https address of a document that describes it, as MCP clients are',
  ),
  CLIENT_ID_METADATA_HOSTS: list.describe(
    'Hosts, or host:port, whose documents may describe clients; empty means any',
  ),
  OUTBOUND_ALLOWED_HOSTS: list.describe(
    'Hosts, or host:port, that requests to addresses of clients may reach although they are private',
  ),
  BACKCHANNEL_LOGOUT_ATTEMPTS: z.coerce
    .number()
    .int()
    .min(1)
    .max(20)
    .default(14)
    .describe('Tries to tell a client of a logout; 14 take two and a quarter hours'),
  BACKCHANNEL_LOGOUT_BACKOFF: duration(1_000).describe(
    'Pause before the second try to tell a client of a logout, milliseconds; each is twice the last',
  ),
  WEBAUTHN_RP_ID: z
    .hostname()
    .optional()
    .describe(
      'Domain that passkeys belong to: the host of the issuer, or a parent of it; a change makes passkeys useless. Default: the host of the issuer',
    ),
  WEBAUTHN_ORIGINS: list
    .refine(
      (items) =>
        items.every((item) => URL.parse(item)?.origin === item || ANDROID_ORIGIN.test(item)),
      'must be origins such as https://app.example.org or android:apk-key-hash:…',
    )
    .describe(
      'Origins beside the issuer’s that may use passkeys, through the JSON API: of pages, and of Android apps as `android:apk-key-hash:…`',
    ),
  API_CORS_ORIGINS: list
    .refine(
      (items) => items.every((item) => URL.parse(item)?.origin === item),
      'must be origins such as https://app.example.org',
    )
    .describe('Origins whose scripts may call the JSON API from a browser; never with cookies'),
  DEMO_URL: z
    .url()
    .optional()
    .describe('Address of a demo application that the front page links to'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least level that is logged'),
  DRAIN_TIMEOUT: duration(10_000).describe(
    'Longest wait for requests in flight at stop, milliseconds',
  ),
  SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be a smtp:// or smtps:// URL' })
    .transform((value) => new Secret(value))
    .optional()
    .describe('Mail server; without one, what needs mail answers with an error'),
  MAIL_FROM: z
    .string()
    .regex(
      MAILBOX,
      'must be an address, or a name and an address: Gatehouse <no-reply@example.org>',
    )
    .default('Gatehouse <no-reply@localhost>')
    .describe('Sender of mails'),
  NATS_URL: z
    .string()
    .refine(isNatsUrl, 'must be nats:// or tls:// URLs, with commas between them')
    .transform((value) => new Secret(value))
    .optional()
    .describe('NATS with JetStream that events are published to; login in the first URL'),
  RABBITMQ_URL: z
    .url({ protocol: /^amqps?$/, error: 'must be an amqp:// or amqps:// URL' })
    .transform((value) => new Secret(value))
    .optional()
    .describe('RabbitMQ that events are published to'),
  METRICS_TOKEN: secret.optional().describe('If set, /metrics asks for it as a bearer token'),
};
