import { type DestinationStream, type Logger, pino } from 'pino';
import { currentRequest } from '../kernel/current-request.ts';
import { withoutSql } from '../kernel/http/dependency-failure.ts';
import { gatherLines } from './gather-lines.ts';

const REDACTED = '[redacted]';

const words = (text: string): ReadonlySet<string> => new Set(text.toLowerCase().split(/\s+/));

/** Names of members that hold secrets, without case, `-` and `_`. */
const SECRETS = words(`
  password passphrase currentPassword newPassword secret clientSecret credential credentials
  token accessToken refreshToken idToken idTokenHint logoutToken registrationAccessToken
  initialAccessToken subjectToken actorToken assertion clientAssertion jwt
  authorization proxyAuthorization cookie setCookie apiKey xApiKey dpop
  code userCode deviceCode codeVerifier otp totp pin seed recoveryCode recoveryCodes
  privateKey keyEncryptionKey pem sessionToken csrf csrfToken nonce
  body query search bindings sql`);

/** Names of members that hold identifiers of people: shown masked. */
const IDENTIFIERS = words('identifier email phone phoneNumber username login loginHint');

/** Members called `code` that are no secret: constants of ours and of Node. */
const ERROR_CODE = /^(?:IDENT_|ERR_|E[A-Z])[A-Z0-9_]{2,60}$/;

/**
 * What JSON leaves as it is and a terminal or log viewer obeys: DEL, C1
 * controls, line separators, bidirectional overrides (ASVS 16.4.1). Control
 * characters below U+0020 are escaped by JSON itself.
 */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Tokens inside longer texts, such as messages of errors: JWTs and Authorization values. */
const TOKENS = /eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*|\b(?:Bearer|DPoP|Basic) [\w\-.~+/=]{8,}/gi;

/** knex puts the statement before the driver's message. */
const STATEMENT = /^\s*(?:select|insert|update|delete|with|alter|create|drop|truncate|set)\b/i;

/** Postgres repeats a value that it cannot read. */
const QUOTED_VALUE = /(invalid input (?:syntax|value) for [\w ]+): ".*/s;

const LONGEST_TEXT = 8_192;
const DEEPEST = 8;
/** Members of one log line in all: what is logged by mistake must not become a flood. */
const MOST_MEMBERS = 500;

const escapeCharacter = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Shortest text that TOKENS finds something in: `eyJ` with eight characters and a dot after it. */
const SHORTEST_TOKEN = 12;

function cleanText(text: string): string {
  if (text.length < SHORTEST_TOKEN) return text.replace(UNSAFE, escapeCharacter);
  const short = text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
  return short.replace(TOKENS, REDACTED).replace(UNSAFE, escapeCharacter);
}

function cleanMessage(text: string): string {
  // The value first: it may hold what separates statement and message.
  const plain = text.replace(QUOTED_VALUE, '$1');
  return cleanText(STATEMENT.test(plain) && plain.includes(' - ') ? withoutSql(plain) : plain);
}

type Kind = 'code' | 'secret' | 'identifier' | 'url' | 'plain';

/** Kinds of names seen so far: every line has the same few. */
const kinds = new Map<string, Kind>();
const MOST_KINDS = 1_000;

function findKind(key: string): Kind {
  const name = key.toLowerCase().replace(/[-_]/g, '');
  if (SECRETS.has(name)) return name === 'code' ? 'code' : 'secret';
  if (IDENTIFIERS.has(name)) return 'identifier';
  return name === 'url' || name === 'uri' ? 'url' : 'plain';
}

/** What a member of this name may hold. */
function kindOf(key: string): Kind {
  const known = kinds.get(key);
  if (known) return known;
  const kind = findKind(key);
  if (kinds.size < MOST_KINDS) kinds.set(key, kind);
  return kind;
}

const isSecret = (key: string): boolean => kindOf(key) === 'secret' || kindOf(key) === 'code';

function cleanString(text: string, key: string): string {
  switch (kindOf(key)) {
    case 'secret':
      return REDACTED;
    case 'code':
      return ERROR_CODE.test(text) ? text : REDACTED;
    case 'identifier':
      return cleanText(maskIdentifier(text));
    case 'url':
      // The query of a URL may hold codes and tokens.
      return cleanText(text.replace(/[?#].*$/s, ''));
    case 'plain':
      return cleanText(text);
  }
}

/** How much of a log line may still be written. */
interface Budget {
  members: number;
}

/**
 * What is logged of an error: its kind, message, code, stack and causes. Other
 * members stay out, as drivers keep values there (`Key (email)=(…) already exists`).
 */
function describeError(error: Error, depth: number, budget: Budget): object {
  const { cause, code, constraint, table, errors } = error as Error & Record<string, unknown>;
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? [];
  const rest = cleanMembers({ constraint, table, cause, errors }, depth, budget);
  return {
    type: error.name,
    message: cleanMessage(error.message),
    ...(typeof code === 'string' ? { code: cleanText(code) } : {}),
    ...rest,
    stack: cleanText(frames.join('\n')),
  };
}

function clean(value: unknown, key: string, depth: number, budget: Budget): unknown {
  if (typeof value === 'string') return cleanString(value, key);
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (isSecret(key)) return REDACTED;
  if (typeof value !== 'object') return value;
  if (depth > DEEPEST || budget.members <= 0) return '[cut]';
  if (value instanceof Error) return describeError(value, depth, budget);
  if (ArrayBuffer.isView(value)) return '[binary]';
  if (Array.isArray(value)) return value.map((item) => clean(item, key, depth + 1, budget));
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return clean(value.toJSON(), key, depth + 1, budget);
  }
  return cleanMembers(value, depth, budget);
}

/** Everything that is logged goes through here: redacted at any depth, bounded, safe to print. */
function cleanMembers(
  fields: object,
  depth = 0,
  budget: Budget = { members: MOST_MEMBERS },
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (budget.members-- <= 0) break;
    result[cleanText(key)] = clean(value, key, depth + 1, budget);
  }
  return result;
}

/** Ids of the request being served. */
export function requestFields(): object {
  const context = currentRequest();
  if (!context) return {};
  const { requestId, actorId, tenantId, traceparent } = context;
  return {
    requestId,
    ...(actorId === null ? {} : { userId: actorId }),
    ...(tenantId === null ? {} : { tenantId }),
    ...(traceparent === null ? {} : { traceId: traceparent.slice(3, 35) }),
  };
}

export interface LoggerOptions {
  level: string;
  /** Where the lines go; standard output by default. */
  destination?: DestinationStream;
}

/**
 * The logger: one JSON object per line, in development too. Pass an error as
 * `err`; pass identifiers through `maskIdentifier`.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { level, destination = gatherLines(pino.destination(1)) } = options;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: requestFields,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => cleanMembers(fields),
      },
      // Errors are described by `formatters.log`, which runs first.
      serializers: { err: (value: unknown) => value, msg: cleanMessage },
    },
    destination,
  );
  // pino formats what is logged, but not what a child logger is bound to.
  const { child } = logger;
  logger.child = function (this: Logger, bindings: object, ...rest: []) {
    return child.call(this, cleanMembers(bindings), ...rest);
  } as typeof child;
  return logger;
}

/** The first character, which is all that may be told of a part of an identifier. */
const initial = (text: string): string => `${[...text][0] ?? ''}…`;

/**
 * An identifier as logs may show it: `an@example.com` → `a…@e…`,
 * `+84901234567` → `+84…67`, `nguyen` → `n…`.
 */
export function maskIdentifier(identifier: string): string {
  const text = identifier.trim();
  if (/^.{0,4}…(?:@.{0,2}…|\d\d)?$/u.test(text)) return text;
  const at = text.lastIndexOf('@');
  if (at > 0) return `${initial(text)}@${initial(text.slice(at + 1))}`;
  if (/^\+?[\d\s().-]{7,20}$/.test(text)) {
    const digits = text.replace(/[^\d+]/g, '');
    return `${digits.slice(0, 3)}…${digits.slice(-2)}`;
  }
  return initial(text);
}

/**
 * Logs a security event (contract: operations) at warn, with where it came from.
 * @param name such as `auth.lockout` or `security.refresh_replay_detected`
 */
export function securityEvent(log: Pick<Logger, 'warn'>, name: string, fields: object = {}): void {
  const context = currentRequest();
  log.warn(
    {
      ...fields,
      event: name,
      client_ip: context?.clientIp ?? null,
      user_agent: context?.userAgent ?? null,
    },
    name,
  );
}
