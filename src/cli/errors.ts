import { AppError } from '../kernel/errors.ts';
import { isDependencyFailure, withoutSql } from '../kernel/http/dependency-failure.ts';

/** Exit statuses of the command line; 78 is EX_CONFIG of sysexits.h. */
export const EXIT = { ok: 0, failed: 1, usage: 2, configuration: 78 } as const;

/** A refusal of the command line itself: what is wrong, and what to do about it. */
export class CliError extends Error {
  readonly advice: string | undefined;
  readonly exitCode: number;
  constructor(
    message: string,
    options: { advice?: string; exitCode?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'CliError';
    this.advice = options.advice;
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

interface Told {
  text: string;
  exitCode: number;
}

/** SQLSTATEs and system errors that an operator can do something about. */
const BY_CODE: Readonly<Record<string, string>> = {
  '28P01': 'PostgreSQL refuses the password. Correct the user or password in DATABASE_URL.',
  '28000': 'PostgreSQL refuses this user or host. See pg_hba.conf and DATABASE_URL.',
  '3D000':
    'PostgreSQL has no such database. Create it, or correct the name at the end of DATABASE_URL.',
  '42P01': 'The database lacks a table of this version. Run: gatehouse migrate',
  '42703': 'The database lacks a column of this version. Run: gatehouse migrate',
  '42501': 'The database user may not do this. Let it own the database, or grant it the right.',
  '25006': 'The database is read-only. Point DATABASE_URL at the primary.',
  '53300': 'PostgreSQL has no connection left. Raise max_connections or lower DATABASE_POOL_SIZE.',
};

interface Issue {
  path: PropertyKey[];
  message: string;
}

/** The issues of a ZodError, recognised by its shape so that zod need not be loaded. */
function issuesOf(error: unknown): Issue[] | undefined {
  if (!(error instanceof Error) || !/ZodError$/.test(error.name)) return undefined;
  return 'issues' in error && Array.isArray(error.issues) ? (error.issues as Issue[]) : undefined;
}

const lines = (title: string, items: readonly string[]): string =>
  [title, ...items.map((item) => `  - ${item}`)].join('\n');

function describeAppError(error: AppError): string {
  const { errors = [] } = error.options;
  const cause = error.options.cause;
  const fields = errors.map(({ path, message }) => `${path}: ${message}`);
  // The engine's message is both the detail and the field's message: once is enough.
  const isRepeated = errors.some(({ message }) => message === error.message);
  const title = isRepeated ? 'The request is not valid' : error.message.replace(/\.$/, '');
  if (fields.length > 0) return lines(`${title} (${error.code}):`, fields);
  const reason = isDependencyFailure(cause) ? `: ${reasonOf(cause)}` : '.';
  return `${title} (${error.code})${reason}`;
}

/** Why something failed, in one line, without SQL and its values. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  const message = withoutSql(error.message).trim();
  return message || (typeof code === 'string' ? code : error.name);
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** Thrown by node:crypto when AES-GCM does not open: sealed under another key, or changed. */
export const isWrongKey = (error: unknown): boolean =>
  error instanceof Error && /unable to authenticate data/.test(error.message);

/**
 * Words for anything thrown: what is wrong and what to do. Never a stack trace,
 * never a value of a setting.
 */
export function describeError(error: unknown): Told {
  if (error instanceof CliError) {
    const text = error.advice ? `${error.message}\n${error.advice}` : error.message;
    return { text, exitCode: error.exitCode };
  }
  if (error instanceof Error && error.name === 'ConfigError') {
    const advice =
      'See docs/configuration.md. With a development instance: run this while `npm start` runs,\n' +
      'in the same folder.';
    return { text: `${error.message}\n${advice}`, exitCode: EXIT.configuration };
  }
  if (error instanceof AppError) {
    return { text: describeAppError(error), exitCode: EXIT.failed };
  }
  const issues = issuesOf(error);
  if (issues) {
    const items = issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`);
    return { text: lines('The request is not valid:', items), exitCode: EXIT.failed };
  }
  if (isWrongKey(error)) {
    const text =
      'The key-encryption key is not the one that sealed what is in the database.\n' +
      'Set KEY_ENCRYPTION_KEY or KEY_ENCRYPTION_KEY_FILE to that one; see: gatehouse doctor';
    return { text, exitCode: EXIT.configuration };
  }
  const known = BY_CODE[codeOf(error) ?? ''];
  if (known) return { text: known, exitCode: EXIT.failed };
  if (isDependencyFailure(error)) {
    const text =
      `PostgreSQL cannot be reached: ${reasonOf(error)}\n` +
      'Check that it runs and that DATABASE_URL names it; see: gatehouse doctor';
    return { text, exitCode: EXIT.failed };
  }
  const text = `${reasonOf(error)}\nLOG_LEVEL=debug shows where it happened.`;
  return { text, exitCode: EXIT.failed };
}
