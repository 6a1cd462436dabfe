import { randomBytes } from 'node:crypto';
import { after } from 'node:test';
import type { Adapter } from 'oidc-provider';
import { createSessionService } from '../../../src/features/session/index.ts';
import { createLookups } from '../../../src/infra/lookups.ts';
import { createEmit } from '../../../src/infra/outbox.ts';
import { createPostgres } from '../../../src/infra/postgres.ts';
import { createRedis } from '../../../src/infra/redis.ts';
import { createRevocations } from '../../../src/infra/revocations.ts';
import { createSealer } from '../../../src/infra/sealing.ts';
import type { Clock } from '../../../src/kernel/clock.ts';
import { newId, newSecret } from '../../../src/kernel/ids.ts';
import { createAdapterFactory, createPipeline } from '../../../src/oidc/adapter/index.ts';
import { createFakeClock, type FakeClock } from '../../helpers/clock.ts';
import { createDatabase, redisPrefix, testRedisUrl } from '../../helpers/database.ts';

/** The database is dropped with connections open ; anything else is worth seeing. */
const onError = (error: Error & { code?: string }): void => {
  if (error.code !== '57P01' && !/terminated/.test(error.message)) console.error(error);
};

/** Longest life of an access token in these tests, seconds. */
export const MAX_TTL = 900;

/** A store of one client, or of none, that takes no others. */
export const onlyClient = (client?: { client_id: string }) => ({
  find: async (id: string) => (id === client?.client_id ? client : undefined),
  upsert: () => Promise.reject(new TypeError('not here')),
  destroy: () => Promise.reject(new TypeError('not here')),
});

/** One process: connections of its own to a database and Redis that others share. */
export async function createProcess(shared: {
  url: string;
  prefix: string;
  kek: Buffer;
  clock: Clock;
  /** Over pipelined connections, as in production, or over a plain pool. */
  isPipelined: boolean;
}) {
  const { clock } = shared;
  const postgres = createPostgres({
    url: shared.url,
    poolSize: 24,
    acquireTimeout: 10_000,
    statementTimeout: 20_000,
    onError,
  });
  const redis = createRedis({ url: testRedisUrl(), prefix: shared.prefix, onError });
  await redis.connect();
  const pipeline = createPipeline({
    url: shared.url,
    connectTimeout: 10_000,
    statementTimeout: 20_000,
    onError,
  });
  after(async () => {
    redis.disconnect();
    await Promise.all([postgres.close(), pipeline.close()]);
  });
  const { knex, pool } = postgres;
  const sealer = createSealer(shared.kek);
  const revocations = createRevocations({ redis, clock, maxTtl: MAX_TTL });
  const emit = createEmit(clock);
  const sessions = createSessionService({ knex, pool, emit, clock, sealer, revocations });
  const deps = {
    pool: shared.isPipelined ? pipeline.writes : pool,
    reads: shared.isPipelined ? pipeline.reads : pool,
    lookups: createLookups([shared.kek]),
    ...{ redis, sealer, clock, sessions, revocations, clientStore: onlyClient() },
    initialAccessTokens: { find: async () => undefined },
    sessionLimits: { idle: 3_600, absolute: 7_200 },
  };
  const factory: (model: string) => Adapter = createAdapterFactory(deps);
  /** Statements that the pool has run, by counting its connections' check-outs. */
  let trips = 0;
  pool.on('acquire', () => {
    trips += 1;
  });
  const countTrips = async (work: () => Promise<unknown>): Promise<number> => {
    const before = trips;
    await work();
    return trips - before;
  };
  return { knex, pool, redis, sealer, revocations, emit, sessions, deps, factory, countTrips };
}

export type Process = Awaited<ReturnType<typeof createProcess>>;

/** A migrated database with a tenant and a user, a clock to move, and two processes on them. */
export async function createStorage() {
  const clock: FakeClock = createFakeClock();
  const shared = {
    url: await createDatabase(),
    prefix: redisPrefix(),
    kek: randomBytes(32),
    clock,
  };
  const one = await createProcess({ ...shared, isPipelined: true });
  const two = await createProcess({ ...shared, isPipelined: false });
  const tenantId = newId();
  const at = new Date(clock.now());
  const stamps = { created_at: at, updated_at: at };
  await one.knex('tenants').insert({ id: tenantId, slug: 'acme', name: 'Acme', ...stamps });
  const addUser = async (): Promise<string> => {
    const id = newId();
    const row = { id, tenant_id: tenantId, status: 'active', email: `${id}@example.test` };
    await one.knex('users').insert({ ...row, ...stamps });
    await one.knex('tenant_members').insert({ tenant_id: tenantId, user_id: id, created_at: at });
    return id;
  };
  return { ...shared, one, two, tenantId, addUser, userId: await addUser() };
}

export type Storage = Awaited<ReturnType<typeof createStorage>>;

/** Payloads as the engine makes them. */
export function createPayloads({ clock, userId }: Pick<Storage, 'clock' | 'userId'>) {
  const now = () => Math.floor(clock.now() / 1000);
  const common = (kind: string, ttl: number) => ({ kind, iat: now(), exp: now() + ttl });
  return {
    refreshToken: (grantId: string, more: object = {}) => ({
      ...common('RefreshToken', 3_600),
      ...{ grantId, accountId: userId, clientId: 'web', scope: 'openid', iiat: now(), ...more },
    }),
    grant: (jti: string, more: object = {}) => ({
      ...common('Grant', 86_400),
      ...{ jti, accountId: userId, clientId: 'web', openid: { scope: 'openid' }, ...more },
    }),
    session: (uid: string, more: object = {}) => ({
      ...common('Session', 3_600),
      ...{ uid, accountId: userId, loginTs: now(), amr: ['pwd'], ...more },
    }),
    token: (kind: string, grantId: string, more: object = {}) => ({
      ...common(kind, 600),
      ...{ grantId, accountId: userId, clientId: 'web', scope: 'openid', ...more },
    }),
  };
}

export const refreshId = (): string => `ghr_${newSecret()}`;

/** A grant, a session and a refresh token bound to both. */
export async function createFamily(storage: Pick<Storage, 'one' | 'clock' | 'userId'>) {
  const { factory } = storage.one;
  const payloads = createPayloads(storage);
  const [grantId, uid, token] = [newId(), newId(), refreshId()];
  const authorizations = { web: { sid: uid, grantId } };
  await factory('Grant').upsert(grantId, payloads.grant(grantId), 86_400);
  const session = payloads.session(uid, { authorizations });
  await factory('Session').upsert(newSecret(), session, 3_600);
  const bound = { sessionUid: uid, expiresWithSession: true };
  await factory('RefreshToken').upsert(token, payloads.refreshToken(grantId, bound), 3_600);
  return { grantId, uid, token, bound };
}

export type Family = Awaited<ReturnType<typeof createFamily>>;
