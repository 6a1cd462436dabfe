import { existsSync, readFileSync } from 'node:fs';
import { loadEnvFile } from 'node:process';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { shape } from './config-schema.ts';

/**
 * The configuration: one schema over the environment, read once. Nothing else
 * in the project reads `process.env`. A secret `X` may also come from the file
 * that `X_FILE` names, as container platforms mount them.
 */

/** Where `npm start` leaves the addresses of its stores, so that the CLI finds them. */
const DEVELOPMENT_ENV_FILE = '.data/gatehouse.env';

const schema = z.object(shape);

type Parsed = z.infer<typeof schema>;

export interface Config extends Readonly<Omit<Parsed, 'ISSUER' | 'KEY_ENCRYPTION_KEY_FILE'>> {
  readonly ISSUER: string;
  readonly KEY_ENCRYPTION_KEY_FILE: string | undefined;
  readonly isProduction: boolean;
  /** Hosts of the OpenID Foundation's test suite, where the profile is for it; else none. */
  readonly suiteHosts: readonly string[];
}

/** Where the test suite runs: the Foundation's own, and one on this machine. */
const SUITE_HOSTS = ['www.certification.openid.net', 'localhost.emobix.co.uk'];

/** What is wrong with the environment: one line for each variable. */
export class ConfigError extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The configuration is not valid:\n${problems.map((p) => `  - ${p}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

type Env = Record<string, string | undefined>;

const SECRETS = [
  'DATABASE_URL',
  'REDIS_URL',
  'METRICS_TOKEN',
  'KEY_ENCRYPTION_KEY_OTHER',
  'SMTP_URL',
  'NATS_URL',
  'RABBITMQ_URL',
] as const;

/** Names of ours that an operator may set beside the schema: the `_FILE` form of secrets. */
const KNOWN = new Set<string>([...Object.keys(shape), ...SECRETS.map((name) => `${name}_FILE`)]);

/** Replaces `X_FILE` by the content of that file as `X`; reports what cannot be read. */
function readSecretFiles(env: Env, problems: string[]): Env {
  const result = { ...env };
  for (const name of SECRETS) {
    const path = env[`${name}_FILE`];
    if (!path) continue;
    if (env[name]) problems.push(`${name} and ${name}_FILE are both set: choose one`);
    try {
      result[name] = readFileSync(path, 'utf8').trim();
    } catch (error) {
      problems.push(`${name}_FILE cannot be read: ${(error as Error).message}`);
    }
  }
  return result;
}

/** Every setting may carry the prefix GATEHOUSE_, for hosts that share an environment. */
function withoutPrefix(env: Env, problems: string[]): Env {
  const result = { ...env };
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('GATEHOUSE_')) continue;
    const plain = name.slice('GATEHOUSE_'.length);
    if (KNOWN.has(plain)) result[plain] = value;
    else problems.push(`${name} is not a setting of Gatehouse`);
  }
  return result;
}

/** Headers of a certificate are believed from trusted proxies only (RFC 9700 4.13). */
function certificateProblems(config: Parsed): string[] {
  const problems: string[] = [];
  const { MTLS_CERTIFICATE_HEADER: header, MTLS_VERIFIED_HEADER: verified } = config;
  if (header && config.TRUSTED_PROXIES.length === 0) {
    problems.push('MTLS_CERTIFICATE_HEADER counts from TRUSTED_PROXIES only: name them');
  }
  if (!header && (verified || config.MTLS_ALIAS_URL)) {
    problems.push('MTLS_CERTIFICATE_HEADER is missing: without it there is no mutual TLS');
  }
  return problems;
}

/**
 * Browsers take a domain for passkeys only from its own pages and those of its
 * subdomains (WebAuthn Level 3, 5.1.2); whether it is a public suffix they know best.
 */
function passkeyProblems(config: Parsed): string[] {
  const problems: string[] = [];
  const { WEBAUTHN_RP_ID: id, WEBAUTHN_ORIGINS: origins, NODE_ENV } = config;
  const host = config.ISSUER ? new URL(config.ISSUER).hostname : 'localhost';
  const isParent = id?.includes('.') && host.endsWith(`.${id}`);
  if (id !== undefined && id !== host && !isParent) {
    problems.push(`WEBAUTHN_RP_ID must be the host of the issuer, ${host}, or a parent of it`);
  }
  if (NODE_ENV === 'production' && origins.some((origin) => origin.startsWith('http:'))) {
    problems.push('WEBAUTHN_ORIGINS must be https in production');
  }
  return problems;
}

function productionProblems(config: Parsed): string[] {
  if (config.NODE_ENV !== 'production') return [];
  const problems: string[] = [];
  if (!config.ISSUER) problems.push('ISSUER is required in production');
  else if (!config.ISSUER.startsWith('https:')) problems.push('ISSUER must be https in production');
  if (!config.KEY_ENCRYPTION_KEY && !config.KEY_ENCRYPTION_KEY_FILE) {
    problems.push('KEY_ENCRYPTION_KEY_FILE (or KEY_ENCRYPTION_KEY) is required in production');
  }
  // Certifying a deployment that people use takes clients with `require_pkce: false`, no profile.
  if (config.PROFILE === 'conformance') {
    problems.push('PROFILE=conformance is for a deployment of its own, not for production');
  }
  if (config.SMTP_URL && config.MAIL_FROM.endsWith('@localhost>')) {
    problems.push('MAIL_FROM is required in production where SMTP_URL is set');
  }
  return problems;
}

function crossChecks(config: Parsed): string[] {
  const problems = [
    ...productionProblems(config),
    ...certificateProblems(config),
    ...passkeyProblems(config),
  ];
  if (config.KEY_ENCRYPTION_KEY && config.KEY_ENCRYPTION_KEY_FILE) {
    problems.push('KEY_ENCRYPTION_KEY and KEY_ENCRYPTION_KEY_FILE are both set: choose one');
  }
  if (config.SESSION_IDLE_TTL > config.SESSION_ABSOLUTE_TTL) {
    problems.push('SESSION_IDLE_TTL must not be longer than SESSION_ABSOLUTE_TTL');
  }
  if (config.KEY_ROTATION_INTERVAL > 0 && config.KEY_ROTATION_INTERVAL < 2 * config.JWKS_MAX_AGE) {
    problems.push('KEY_ROTATION_INTERVAL must be at least twice JWKS_MAX_AGE');
  }
  return problems;
}

/**
 * Parses an environment into the frozen configuration.
 * @throws ConfigError with every problem at once
 */
export function parseConfig(source: Env): Config {
  const problems: string[] = [];
  const present = Object.fromEntries(
    Object.entries(source).filter(([, value]) => value !== undefined && value !== ''),
  );
  const env = readSecretFiles(withoutPrefix(present, problems), problems);
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0]);
      problems.push(env[name] === undefined ? `${name} is required` : `${name}: ${issue.message}`);
    }
    throw new ConfigError(problems);
  }
  problems.push(...crossChecks(parsed.data));
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({
    ...parsed.data,
    ISSUER: parsed.data.ISSUER ?? `http://localhost:${parsed.data.PORT}`,
    KEY_ENCRYPTION_KEY_FILE: parsed.data.KEY_ENCRYPTION_KEY_FILE,
    isProduction: parsed.data.NODE_ENV === 'production',
    suiteHosts: parsed.data.PROFILE === 'conformance' ? SUITE_HOSTS : [],
  });
}

/**
 * The configuration of this process. Outside production, settings that the
 * environment lacks are taken from the file that a running `npm start` left.
 * @throws ConfigError
 */
export function loadConfig(): Config {
  if (process.env.NODE_ENV !== 'production' && existsSync(DEVELOPMENT_ENV_FILE)) {
    loadEnvFile(DEVELOPMENT_ENV_FILE);
  }
  return parseConfig(process.env);
}

/** EX_CONFIG of sysexits.h: something is wrong with the configuration. */
const EX_CONFIG = 78;

/** The configuration; when it is not valid, says why and ends this process. */
export function loadConfigOrExit(): Config {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(EX_CONFIG);
  }
}

/** The effective values as text, secrets masked: what `gatehouse config` prints. */
export function describeConfig(config: Config): Record<string, string> {
  return Object.fromEntries(
    Object.keys(shape).map((name) => {
      const value = config[name as keyof Config];
      return [name, value === undefined ? '' : String(value)];
    }),
  );
}

/** The variable that sets `name` in an environment: plain, prefixed, or naming a file. */
function variableOf(name: string, env: Env): string | undefined {
  const isSecret = (SECRETS as readonly string[]).includes(name);
  const names = isSecret ? [name, `${name}_FILE`] : [name];
  return names.flatMap((one) => [`GATEHOUSE_${one}`, one]).find((variable) => env[variable]);
}

/**
 * Where the value of each setting comes from, after `loadConfig`: the name of
 * the variable, the file of `npm start`, or `default`.
 */
export function configSources(): Record<string, string> {
  const isLoaded = process.env.NODE_ENV !== 'production' && existsSync(DEVELOPMENT_ENV_FILE);
  const file = isLoaded ? parseEnv(readFileSync(DEVELOPMENT_ENV_FILE, 'utf8')) : {};
  return Object.fromEntries(
    Object.keys(shape).map((name) => {
      const variable = variableOf(name, process.env);
      if (variable === undefined) return [name, 'default'];
      const isFromFile = file[variable] !== undefined && file[variable] === process.env[variable];
      return [name, isFromFile ? DEVELOPMENT_ENV_FILE : variable];
    }),
  );
}

/** Threads of libuv's pool in this process, which sign tokens and look names up; Node has 4. */
export const libuvThreads = (): number => Number(process.env.UV_THREADPOOL_SIZE) || 4;

/** The schema as rows for the generated documentation. */
export const CONFIG_DOCS = Object.entries(shape).map(([name, field]) => {
  const parsed = z.object({ [name]: field as z.ZodType }).safeParse({});
  const value = parsed.success ? parsed.data[name] : undefined;
  return {
    name,
    default:
      name === 'MAX_CONCURRENT_HASHES'
        ? 'number of cores'
        : value === undefined
          ? ''
          : String(value),
    description: field.description ?? '',
    secret: (SECRETS as readonly string[]).includes(name) || name === 'KEY_ENCRYPTION_KEY',
    required: !parsed.success,
  };
});
