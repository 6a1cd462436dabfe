import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { after } from 'node:test';
import { createRequestListener } from '../../src/app.ts';
import { type Config, parseConfig } from '../../src/config.ts';
import { createDeps, type Deps, type Overrides } from '../../src/deps.ts';
import { createDatabase, redisPrefix, testRedisUrl } from './database.ts';

/** A free TCP port on loopback. */
export async function freePort(): Promise<number> {
  const probe = createTcpServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/**
 * The least that a hash may cost: a tenth of what it does by default. Tests of
 * the hashes themselves use `USUAL_HASHES`.
 */
export const CHEAP_HASHES = { ARGON2_MEMORY: '19456', ARGON2_PASSES: '1' };

/** What a hash costs where nothing is set. */
export const USUAL_HASHES = { ARGON2_MEMORY: '65536', ARGON2_PASSES: '3' };

export interface TestGatehouse {
  url: string;
  config: Config;
  deps: Deps;
  server: Server;
  /** Lines that the service logged, parsed. */
  logs: Record<string, unknown>[];
}

/** The environment of an instance with a database and Redis prefix of its own. */
export async function testEnvironment(
  settings: Record<string, string> = {},
): Promise<Record<string, string>> {
  const port = settings.PORT ?? String(await freePort());
  return {
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: port,
    ISSUER: `http://localhost:${port}`,
    DATABASE_URL: settings.DATABASE_URL ?? (await createDatabase()),
    REDIS_URL: testRedisUrl(),
    REDIS_PREFIX: redisPrefix(),
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    DATABASE_POOL_SIZE: '13',
    ...CHEAP_HASHES,
    ...settings,
  };
}

/**
 * The whole service in this process, listening on a free port, with a database
 * and Redis prefix of its own; stopped after the test file.
 */
export async function startGatehouse(
  options: { settings?: Record<string, string>; overrides?: Overrides } = {},
): Promise<TestGatehouse> {
  const config = parseConfig(await testEnvironment(options.settings));
  const logs: Record<string, unknown>[] = [];
  const { createLogger } = await import('../../src/infra/logger.ts');
  const log = createLogger({
    level: 'debug',
    destination: { write: (line: string) => void logs.push(JSON.parse(line)) },
  });
  const deps = await createDeps(config, { log, ...options.overrides });
  const server = createServer(createRequestListener(deps));
  await new Promise<void>((resolve) => server.listen(config.PORT, '127.0.0.1', resolve));
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await deps.close();
  });
  return { url: config.ISSUER, config, deps, server, logs };
}

export interface TestPeople {
  tenantId: string;
  user: { id: string; email: string; username: string; password: string };
}

/** A tenant with one user who can sign in. */
export async function seedPeople(deps: Deps, slug = 'lotus'): Promise<TestPeople> {
  await deps.tenants.ensurePlatform();
  const tenant = await deps.tenants.create({ slug, name: 'Lotus Health', colour: '#0f766e' });
  const password = 'correct horse battery staple';
  const created = await deps.users.create(
    {
      tenantId: tenant.id,
      email: `an@${slug}.example`,
      username: `an.${slug}`,
      name: 'Nguyễn Thị An',
      emailVerified: true,
    },
    password,
  );
  return {
    tenantId: tenant.id,
    user: { id: created.id, email: `an@${slug}.example`, username: `an.${slug}`, password },
  };
}

export interface TestClient {
  clientId: string;
  clientSecret: string;
  redirectUri: string;
}

/** A client for the code flow and client_credentials; first-party unless said otherwise. */
export async function seedClient(
  deps: Deps,
  tenantId: string,
  options: { isFirstParty?: boolean; metadata?: Record<string, unknown> } = {},
): Promise<TestClient> {
  const redirectUri = 'http://localhost:4999/callback';
  const { client, clientSecret } = await deps.clients.create({
    tenantId,
    isFirstParty: options.isFirstParty ?? true,
    metadata: {
      client_name: 'Lotus Portal',
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: ['http://localhost:4999/'],
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      response_types: ['code'],
      ...options.metadata,
    },
  });
  return { clientId: client.clientId, clientSecret: clientSecret ?? '', redirectUri };
}
