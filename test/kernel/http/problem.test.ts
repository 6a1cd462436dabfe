import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { Redis } from 'ioredis';
import knexFactory from 'knex';
import Koa from 'koa';
import pg from 'pg';
import { z } from 'zod';
import { AppError } from '../../../src/kernel/errors.ts';
import { isDependencyFailure } from '../../../src/kernel/http/dependency-failure.ts';
import { problems } from '../../../src/kernel/http/problem.ts';
import { createProxies } from '../../../src/kernel/http/proxies.ts';
import { requestContext } from '../../../src/kernel/http/request-context.ts';
import { createMemoryLog, json, listen } from './harness.ts';

/** Serves one middleware that throws. */
async function serveThrowing(thrown: unknown) {
  const log = createMemoryLog();
  const app = new Koa();
  const proxies = createProxies({ trustedProxies: [] });
  app.use(
    requestContext({
      log,
      proxies,
      run: (_, work) => work(),
      observe: () => {},
      isProbe: () => false,
    }),
  );
  app.use(problems({ log }));
  app.use((ctx) => {
    ctx.set('ETag', '"x"');
    throw thrown;
  });
  const port = await listen(app);
  const response = await fetch(`http://127.0.0.1:${port}/some/path?code=secret`);
  return { response, problem: await json(response), log };
}

suite('problem documents (RFC 9457)', () => {
  test('an AppError shows its public face; its cause only the log', async () => {
    const { response, problem, log } = await serveThrowing(
      new AppError('IDENT_MFA_REQUIRED', {
        detail: 'More is needed',
        extensions: { challengeId: 'c1', code: 'forged', status: 200 },
        log: { why: 'policy' },
        cause: new Error('private'),
      }),
    );
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="gatehouse"');
    assert.equal(response.headers.get('etag'), null);
    assert.deepEqual(problem, {
      challengeId: 'c1',
      type: 'urn:gatehouse:error:IDENT_MFA_REQUIRED',
      title: 'A second factor is required',
      status: 401,
      detail: 'More is needed',
      instance: '/some/path',
      code: 'IDENT_MFA_REQUIRED',
      requestId: response.headers.get('x-request-id'),
    });
    assert.equal(log.lines.find((line) => line.message === 'refused')?.fields.why, 'policy');
  });

  test('anything else is IDENT_INTERNAL: never a stack, a message or SQL', async () => {
    const zodError = z.object({ secretField: z.string() }).safeParse({}).error;
    for (const thrown of [
      new Error('select * from users - private'),
      zodError,
      'private text',
      null,
      undefined,
      { status: 200 },
      Object.assign(new Error('private'), { status: 404 }),
      Object.assign(new Error('private'), { code: '23505', detail: 'Key (email)=(private)' }),
    ]) {
      const { response, problem, log } = await serveThrowing(thrown);
      assert.equal(response.status, 500);
      assert.equal(problem.code, 'IDENT_INTERNAL');
      assert.doesNotMatch(JSON.stringify(problem), /private|select|secretField|\.ts/);
      const error = log.lines.find((line) => line.level === 'error')?.fields.err as Error;
      assert.equal(error.cause, thrown ?? error.cause);
    }
  });

  test('what Koa throws for bad requests keeps its status', async () => {
    const thrown = Object.assign(new Error('Bad'), { status: 400, statusCode: 400, expose: true });
    const { problem } = await serveThrowing(thrown);
    assert.equal(problem.code, 'IDENT_VALIDATION');
    assert.doesNotMatch(JSON.stringify(problem), /Bad/);
  });

  test('Retry-After is in whole seconds, at least one', async () => {
    const { response } = await serveThrowing(new AppError('IDENT_LOCKED', { retryAfter: 0.2 }));
    assert.equal(response.status, 423);
    assert.equal(response.headers.get('retry-after'), '1');
  });
});

/** A port where nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** A port that takes connections and never answers, until the test is over. */
async function silentPort(context: { after(work: () => void): void }): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const failure = (work: () => Promise<unknown>): Promise<unknown> =>
  work().then(
    () => assert.fail('did not fail'),
    (error: unknown) => error,
  );

suite('a store that is down is recognised by what its driver really throws', () => {
  test('pg and knex, refused connection', async () => {
    const connectionString = `postgres://u:p@localhost:${await closedPort()}/x`;
    const pool = new pg.Pool({ connectionString });
    const refused = await failure(() => pool.query('select 1'));
    assert.ok(isDependencyFailure(refused), String(refused));
    const knex = knexFactory({ client: 'pg', connection: { connectionString } });
    const viaKnex = await failure(() => knex('users').select());
    assert.ok(isDependencyFailure(viaKnex), String(viaKnex));
    await knex.destroy();
    const { response, problem } = await serveThrowing(viaKnex);
    assert.equal(response.status, 503);
    assert.equal(problem.code, 'IDENT_UNAVAILABLE');
    assert.equal(response.headers.get('retry-after'), '5');
  });

  test('pg and knex, no answer in time', async (context) => {
    const connectionString = `postgres://u:p@127.0.0.1:${await silentPort(context)}/x`;
    const pool = new pg.Pool({ connectionString, connectionTimeoutMillis: 50 });
    const late = await failure(() => pool.query('select 1'));
    assert.ok(isDependencyFailure(late), String(late));
    const knex = knexFactory({
      client: 'pg',
      connection: { connectionString },
      acquireConnectionTimeout: 50,
    });
    const viaKnex = await failure(() => knex('users').select());
    assert.ok(isDependencyFailure(viaKnex), String(viaKnex));
    // The connection attempt that hangs would keep destroy() waiting.
    void knex.destroy();
  });

  test('ioredis, refused, closed and too late', async (context) => {
    const options = { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null };
    const refusing = new Redis(await closedPort(), { ...options, enableOfflineQueue: false });
    refusing.on('error', () => {});
    const notReady = await failure(() => refusing.get('x'));
    assert.ok(isDependencyFailure(notReady), String(notReady));
    const queued = new Redis(await closedPort(), options);
    queued.on('error', () => {});
    const closed = await failure(() => queued.get('x'));
    assert.ok(isDependencyFailure(closed), String(closed));
    const silent = new Redis(await silentPort(context), { ...options, commandTimeout: 50 });
    silent.on('error', () => {});
    const late = await failure(() => silent.get('x'));
    assert.ok(isDependencyFailure(late), String(late));
    silent.disconnect();
  });

  test('codes of a server that shuts down, fails over or is full', () => {
    for (const code of ['08006', '57P01', '57P03', '53300', '57014', '25006', 'ECONNRESET']) {
      assert.ok(isDependencyFailure(Object.assign(new Error('x'), { code })), code);
    }
    for (const reply of ['LOADING Redis is loading', 'READONLY You', 'OOM command not allowed']) {
      assert.ok(
        isDependencyFailure(Object.assign(new Error(reply), { name: 'ReplyError' })),
        reply,
      );
    }
  });

  test('our own mistakes and other services are not mistaken for it', async () => {
    const port = await closedPort();
    const upstream = await failure(() => fetch(`http://127.0.0.1:${port}/`));
    const ours = [
      upstream,
      Object.assign(new Error('syntax'), { code: '42601' }),
      Object.assign(new Error('duplicate'), { code: '23505' }),
      Object.assign(new Error('ERR unknown command'), { name: 'ReplyError' }),
      AbortSignal.abort().reason,
      new AggregateError([]),
      new Error('x', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) }),
      'ECONNREFUSED',
      null,
    ];
    for (const error of ours) assert.equal(isDependencyFailure(error), false, String(error));
  });
});
