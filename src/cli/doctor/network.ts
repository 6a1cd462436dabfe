import type { Config } from '../../config.ts';
import { reasonOf } from '../errors.ts';
import { plain } from '../output.ts';
import { about, type Finding } from './finding.ts';

/** Milliseconds that an answer may take. */
const TIMEOUT = 3_000;

/** Nobody listens there: the service does not run, which is no fault. */
const NOT_RUNNING = new Set(['ECONNREFUSED']);

/** Networks that contain everybody. */
const EVERYBODY = /\/0$/;

function codesOf(error: unknown): string[] {
  const { cause } = (error ?? {}) as { cause?: unknown };
  if (cause instanceof AggregateError)
    return cause.errors.flatMap((one) => codesOf({ cause: one }));
  const { code } = (cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? [code] : [];
}

const get = (url: string): Promise<Response> =>
  fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT) });

async function readJson(response: Response): Promise<Record<string, unknown>> {
  const value: unknown = await response.json().catch(() => null);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

async function checkReady(issuer: string): Promise<Finding> {
  const { ok, fail } = about('issuer');
  const url = `${issuer}/health/ready`;
  const response = await get(url);
  const report = await readJson(response);
  const status = typeof report.status === 'string' ? plain(report.status) : 'no report';
  if (response.status === 200) return ok(`${url} says ${status}`);
  const parts = Object.entries((report.dependencies ?? {}) as Record<string, unknown>);
  const down = parts.filter(([, state]) => state === 'down').map(([name]) => plain(name));
  return fail(
    `${url} answers ${response.status} (${status})`,
    down.length > 0
      ? `Bring back: ${down.join(', ')}`
      : 'Check that ISSUER leads to this service, through the proxy if there is one.',
  );
}

async function checkDiscovery(issuer: string): Promise<Finding> {
  const { ok, fail } = about('discovery');
  const url = `${issuer}/.well-known/openid-configuration`;
  const response = await get(url);
  const { issuer: told } = await readJson(response);
  if (told === issuer) return ok(`issuer ${issuer}`);
  if (typeof told !== 'string') {
    return fail(`${url} answers ${response.status} without an issuer`, 'Check the proxy.');
  }
  const advice = 'Another service answers there, or it runs with another ISSUER: restart it.';
  return fail(`issuer ${plain(told)}, not ${issuer}`, advice);
}

async function checkIssuer({ ISSUER }: Config): Promise<Finding[]> {
  const { info, warn } = about('issuer');
  try {
    return [await checkReady(ISSUER), await checkDiscovery(ISSUER)];
  } catch (error) {
    const codes = codesOf(error);
    if (codes.length > 0 && codes.every((code) => NOT_RUNNING.has(code))) {
      return [info(`nothing listens at ${ISSUER}: the service does not run, or not here`)];
    }
    const { cause } = error as { cause?: unknown };
    return [
      warn(
        `${ISSUER} cannot be reached from here: ${reasonOf(cause ?? error)}`,
        'Check DNS, the proxy and its certificate, unless this host is not meant to reach it.',
      ),
    ];
  }
}

function checkProxies({ ISSUER, TRUSTED_PROXIES }: Config): Finding {
  const { ok, warn } = about('proxies');
  const found = TRUSTED_PROXIES.length > 0 ? TRUSTED_PROXIES.join(', ') : 'none is trusted';
  if (TRUSTED_PROXIES.some((network) => EVERYBODY.test(network))) {
    return warn(found, 'Name the proxies alone: now anybody may pretend any address.');
  }
  if (!ISSUER.startsWith('https:') || TRUSTED_PROXIES.length > 0) return ok(found);
  return warn(
    found,
    'TLS ends at a proxy: put its address into TRUSTED_PROXIES. Without, no sign-in can begin, ' +
      'as its cookies must not be set over plain HTTP.',
  );
}

/** How the world reaches the service. */
export const checkNetwork = async (config: Config): Promise<Finding[]> => [
  checkProxies(config),
  ...(await checkIssuer(config)),
];
