import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { basic, postForm, refresh, signInForTokens } from '../flows/support.ts';
import { freePort } from '../helpers/gatehouse.ts';
import { type ServerProcess, startProcess } from '../helpers/process.ts';
import { install, until } from './support.ts';

const installation = await install('drain');
const { url, client, environment } = installation;
const LIMIT = { timeout: 60_000 };

const isRefused = () =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });

/** A request that has been sent but for its last byte. */
function beginRequest() {
  const form = 'grant_type=client_credentials';
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk;
  });
  const closed = new Promise<string>((resolve) => {
    socket.once('close', () => resolve(answer)).on('error', () => {});
  });
  socket.write(
    `POST /token HTTP/1.1\r\nHost: ${new URL(url).host}\r\n` +
      `Authorization: ${basic(client).authorization}\r\nAccept: application/json\r\n` +
      'Content-Type: application/x-www-form-urlencoded\r\n' +
      `Content-Length: ${form.length}\r\n\r\n${form.slice(0, -1)}`,
  );
  return { finish: () => socket.write(form.slice(-1)), closed };
}

/** How many token requests a server has answered, by its own log. */
const answeredBy = (server: ServerProcess): number =>
  server.logs.filter(
    ({ msg, route, status }) => msg === 'request' && route === '/token' && status === 200,
  ).length;

/** Requests that a server took and did not answer, by its own log. */
const cutBy = (server: ServerProcess): unknown[] =>
  server.logs.filter(({ msg, status }) => msg === 'request' && (status === 499 || status === 500));

/**
 * Clients that refresh without pause until the server is gone; what they met.
 * A connection may be refused, or reset before the server has read a request of
 * it: nothing was done then. So whether a request was cut is seen by comparing
 * what the server says that it answered with what arrived.
 */
function load(chains: number) {
  const met = { answered: 0, failed: [] as string[] };
  const run = async (first: string) => {
    for (let token = first; ; ) {
      const answer = await refresh(url, client, token).catch(() => undefined);
      if (!answer) return;
      if (answer.status !== 200) met.failed.push(JSON.stringify(answer.body));
      if (answer.status !== 200) return;
      met.answered += 1;
      token = String(answer.body.refresh_token);
    }
  };
  const begin = async () => {
    const tokens: string[] = [];
    for (let i = 0; i < chains; i += 1) {
      tokens.push((await signInForTokens(installation)).refreshToken);
    }
    return { met, over: Promise.all(tokens.map(run)) };
  };
  return begin();
}

test(
  'SIGTERM drains: what is under way is answered, new connections are refused, exit code 0',
  LIMIT,
  async () => {
    const { server } = installation;
    const { met, over } = await load(6);
    const request = beginRequest();
    await until(async () => met.answered > 30, 20_000, 'under load');
    const begin = performance.now();
    server.kill('SIGTERM');
    await until(isRefused, 5_000, 'new connections are refused');
    server.kill('SIGTERM');
    request.finish();
    assert.match(await request.closed, /^HTTP\/1\.1 200 [\s\S]*access_token/);
    assert.equal(await server.exited, 0);
    assert.ok(performance.now() - begin < 10_000, 'in time');
    await over;
    assert.deepEqual(met.failed, []);
    // Beside the refreshes: the six sign-ins before them, and the request that was under way.
    assert.equal(answeredBy(server), 6 + met.answered + 1, 'every answer arrived');
    assert.deepEqual(cutBy(server), []);
    const messages = server.logs.map(({ msg }) => msg);
    assert.ok(messages.includes('draining') && messages.includes('stopped'));
    assert.equal(server.errors(), '');
  },
);

test('a request that never ends does not hold the drain for ever', LIMIT, async () => {
  const server = await installation.start({ DRAIN_TIMEOUT: '1000' });
  const request = beginRequest();
  const begin = performance.now();
  server.kill('SIGTERM');
  assert.equal(await server.exited, 0);
  assert.ok(performance.now() - begin < 8_000);
  assert.doesNotMatch(await request.closed, /access_token/);
});

test('SIGINT does the same', LIMIT, async () => {
  const server = await installation.start();
  server.kill('SIGINT');
  assert.equal(await server.exited, 0);
});

test('a bad configuration stops the start with a list and exit code 78', LIMIT, async () => {
  const port = String(await freePort());
  const start = startProcess({ ...environment, PORT: port, ISSUER: 'ftp://x', LOG_LEVEL: 'loud' });
  await assert.rejects(start, (error: Error) => {
    assert.match(error.message, /78/);
    assert.match(error.message, /ISSUER/);
    assert.match(error.message, /LOG_LEVEL/);
    return true;
  });
});

const metricsOf = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();

/** How many processes have answered, going by their start times in the joined metrics. */
async function pidsOf(server: ServerProcess): Promise<Set<unknown>> {
  return new Set(server.logs.filter(({ msg }) => msg === 'ready').map(({ time }) => time));
}

test(
  'WEB_CONCURRENCY=2: metrics are of both, a killed worker is replaced, the drain is clean',
  LIMIT,
  async () => {
    const { readdirSync, readFileSync } = await import('node:fs');
    const server = await installation.start({ WEB_CONCURRENCY: '2' });
    const workers = () =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .filter((name) => {
          try {
            const stat = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1] ?? '';
            return Number(stat.split(' ')[1]) === server.pid;
          } catch {
            return false;
          }
        })
        .map(Number);
    await until(async () => (await pidsOf(server)).size >= 2, 20_000, 'two workers');
    const [victim] = workers();
    assert.ok(victim);

    const form = { grant_type: 'client_credentials' };
    const ask = () => postForm(`${url}/token`, form, { ...basic(client), connection: 'close' });
    for (let i = 0; i < 20; i += 1) assert.equal((await ask()).status, 200);
    const count =
      /auth_http_request_duration_seconds_count\{route="\/token",method="POST",status="200"\} (\d+)/;
    assert.equal(Number(count.exec(await metricsOf())?.[1]), 20, 'added up over both');
    assert.match(await metricsOf(), /^auth_dependency_up\{dep="postgres"\} 1$/m);

    process.kill(victim, 'SIGKILL');
    await until(
      async () => !workers().includes(victim) && workers().length === 2,
      20_000,
      'replaced',
    );
    await until(async () => (await pidsOf(server)).size >= 3, 20_000, 'the new one is ready');
    for (let i = 0; i < 20; i += 1) assert.equal((await ask()).status, 200);

    const { met, over } = await load(4);
    await until(async () => met.answered > 20, 20_000, 'under load');
    server.kill('SIGTERM');
    assert.equal(await server.exited, 0);
    await over;
    assert.deepEqual(met.failed, []);
    // Beside the refreshes: forty of client_credentials and four sign-ins.
    assert.equal(answeredBy(server), 40 + 4 + met.answered, 'every answer arrived');
    assert.deepEqual(cutBy(server), []);
    assert.deepEqual(workers(), []);
  },
);
