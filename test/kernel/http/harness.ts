import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after } from 'node:test';
import Koa from 'koa';
import { runInRequest } from '../../../src/kernel/current-request.ts';
import { AppError } from '../../../src/kernel/errors.ts';
import type { Actor, UserActor } from '../../../src/kernel/http/actor.ts';
import { type ApiOptions, createApi } from '../../../src/kernel/http/api.ts';
import type { Log } from '../../../src/kernel/http/log.ts';
import { problems } from '../../../src/kernel/http/problem.ts';
import { createProxies } from '../../../src/kernel/http/proxies.ts';
import { type Observation, requestContext } from '../../../src/kernel/http/request-context.ts';
import type { Route } from '../../../src/kernel/http/route.ts';
import { createFakeClock } from '../../helpers/clock.ts';

export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error';
  fields: Record<string, unknown>;
  message: string;
}

/** A log that keeps its lines. */
export function createMemoryLog(): Log & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message });
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Listens on a free port until the test file ends. @returns the port */
export async function listen(app: Koa): Promise<number> {
  const server: Server = createServer(app.callback());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Sends bytes as they are and reads the answer to its end: for what fetch would tidy up. */
export function rawRequest(port: number, text: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve({ status: Number(answer.slice(9, 12)), text: answer }));
  });
}

/** A GET with these raw header lines. */
export const rawGet = (port: number, target: string, headers: readonly string[] = []) =>
  rawRequest(
    port,
    `${[`GET ${target} HTTP/1.1`, 'Host: localhost', ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`,
  );

const user: UserActor = {
  kind: 'user',
  userId: 'u1',
  homeTenantId: 't1',
  tenantId: 't1',
  tenantIds: ['t1'],
  clientId: 'c1',
  isFirstParty: true,
  sessionId: 's1',
  scopes: new Set(['openid', 'notes:read']),
  amr: ['pwd'],
  acr: 'urn:gatehouse:acr:1fa',
  authTime: 0,
};

const machine: Actor = {
  kind: 'client',
  clientId: 'robot',
  tenantId: 't1',
  scopes: new Set(),
  via: 'api-key',
};

export interface SampleApp {
  port: number;
  url: string;
  log: ReturnType<typeof createMemoryLog>;
  observations: Observation[];
  breaches: Error[];
  /** What was called in which order. */
  steps: string[];
}

/** Serves routes over real HTTP. Tokens: `good` is the user, `key` as an API key the machine. */
export async function serveRoutes(
  routes: readonly Route[],
  overrides: Partial<ApiOptions> & { trustedProxies?: string[] } = {},
): Promise<SampleApp> {
  const log = createMemoryLog();
  const proxies = createProxies({ trustedProxies: overrides.trustedProxies ?? [] });
  const app = new Koa();
  const sample: SampleApp = { port: 0, url: '', log, observations: [], breaches: [], steps: [] };
  app.use(
    requestContext({
      log,
      proxies,
      run: runInRequest,
      observe: (observation) => sample.observations.push(observation),
      isProbe: (path) => path.startsWith('/health'),
    }),
  );
  app.use(problems({ log }));
  app.use(
    createApi({
      routes,
      basePath: '/api/v1',
      clock: createFakeClock(1_000_000),
      limiter: async ({ limit }) => {
        sample.steps.push(`limit:${limit}`);
        return { allowed: true, retryAfter: 0, headers: { 'RateLimit-Limit': '5' } };
      },
      authenticate: async (credentials) => {
        sample.steps.push(`authenticate:${credentials.scheme}`);
        if (credentials.scheme === 'api-key') return credentials.key === 'key' ? machine : null;
        if (credentials.scheme === 'basic') return { ...machine, kind: 'client', via: 'basic' };
        return credentials.token === 'good' ? user : null;
      },
      authorise: (actor, permission) => {
        sample.steps.push(`authorise:${permission}`);
        if (actor.kind === 'user') throw new AppError('IDENT_FORBIDDEN');
      },
      onContractBreach: (breach) => sample.breaches.push(breach),
      ...overrides,
    }),
  );
  sample.port = await listen(app);
  sample.url = `http://127.0.0.1:${sample.port}/api/v1`;
  return sample;
}

/** The JSON of an answer, as loosely typed as a test wants it. */
export const json = async (response: Response) =>
  (await response.json()) as Record<string, unknown> & {
    errors?: { path: string; message: string }[];
  };
