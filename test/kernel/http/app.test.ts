import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import Koa from 'koa';
import { currentRequest, runInRequest } from '../../../src/kernel/current-request.ts';
import {
  checkHost,
  createProxies,
  labelRoute,
  type Observation,
  PAGE_CSP,
  problems,
  refuseOddPaths,
  requestContext,
  requestFacts,
  securityHeaders,
} from '../../../src/kernel/http/index.ts';
import { createMemoryLog, json, listen, rawGet, rawRequest, serveRoutes } from './harness.ts';
import { sampleRoutes } from './sample-routes.ts';

/** The outer middleware of the service round one that answers what it knows of the request. */
async function serveOuter(issuer: string, aliases: string[] = []) {
  const log = createMemoryLog();
  const observations: Observation[] = [];
  const hanging = new EventEmitter();
  const app = new Koa();
  const proxies = createProxies({ trustedProxies: [] });
  const isProbe = (path: string) => path.startsWith('/health') || path === '/metrics';
  app.use(
    requestContext({
      log,
      proxies,
      run: runInRequest,
      observe: (observation) => observations.push(observation),
      isProbe,
    }),
  );
  app.use(securityHeaders({ issuer }));
  app.use(problems({ log }));
  app.use(checkHost({ issuer, aliases, proxies, exempt: isProbe }));
  app.use(refuseOddPaths());
  app.use((ctx) => {
    if (ctx.path === '/hang') {
      ctx.respond = false;
      hanging.emit('request');
      return;
    }
    if (ctx.path !== '/unlabelled') labelRoute(ctx.req, '/known');
    assert.deepEqual(currentRequest(), requestFacts(ctx.req));
    ctx.body = currentRequest();
  });
  const port = await listen(app);
  return { port, url: `http://127.0.0.1:${port}`, log, observations, hanging };
}

const outer = await serveOuter('https://127.0.0.1', ['alias.test:8443']);
// The port of the test server belongs to the Host header that fetch sends.
const served = await serveOuter('http://localhost');
const get = (path: string, ...headers: string[]) => rawGet(served.port, path, headers);

suite('request id', () => {
  test("the caller's sane id is taken, seen by the code, and echoed", async () => {
    const { text } = await get('/x', 'X-Request-Id: trace:1.a_b-C');
    assert.match(text, /^X-Request-Id: trace:1\.a_b-C\r$/m);
    assert.match(text, /"requestId":"trace:1\.a_b-C"/);
  });

  for (const id of ['', 'a b', 'a\tb', '{"a":1}', 'x'.repeat(65), '<script>', 'é']) {
    test(`ASVS 16.4.1: an id that could forge a log line is replaced: ${id.slice(0, 12)}`, async () => {
      const { text } = await get('/x', `X-Request-Id: ${id}`);
      assert.match(text, /^X-Request-Id: [0-9a-f-]{36}\r$/m);
    });
  }

  test('every answer carries one, errors too', async () => {
    const app = await serveRoutes(sampleRoutes);
    for (const path of ['/nothing', '/me']) {
      const response = await fetch(app.url + path);
      assert.equal(response.headers.get('x-request-id'), (await json(response)).requestId);
    }
  });

  test('a malformed traceparent is dropped, a sound one kept (Trace Context 3.2.2)', async () => {
    const sound = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    assert.match((await get('/x', `traceparent: ${sound}`)).text, new RegExp(sound));
    const zero = `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`;
    assert.match((await get('/x', `traceparent: ${zero}`)).text, /"traceparent":null/);
  });
});

suite('access log and metrics', () => {
  test('ASVS 16.2.5: the line names the route pattern, never path or query', async () => {
    const app = await serveRoutes(sampleRoutes);
    await (await fetch(`${app.url}/notes/secret-path?code=secret-query`)).arrayBuffer();
    await fetch(`${app.url}/unknown/secret-path`);
    await settled(() => app.log.lines.length >= 2);
    const lines = app.log.lines.filter((line) => line.message === 'request');
    assert.doesNotMatch(JSON.stringify(lines), /secret/);
    assert.deepEqual(
      lines.map((line) => [line.level, line.fields.route, line.fields.status, line.fields.code]),
      [
        ['info', '/api/v1/notes/:id', 400, 'IDENT_VALIDATION'],
        ['info', '/api/v1/*', 404, 'IDENT_NOT_FOUND'],
      ],
    );
    assert.equal(typeof lines[0]?.fields.durationMs, 'number');
  });

  test('labels of the duration metric are bounded, whatever is asked', async () => {
    served.observations.length = 0;
    await get('/known/123');
    await get('/unlabelled');
    await rawGet(served.port, '/unlabelled', []);
    await settled(() => served.observations.length === 3);
    assert.deepEqual(
      served.observations.map(({ route, method, status }) => [route, method, status]),
      [
        ['/known', 'GET', 200],
        ['unmatched', 'GET', 200],
        ['unmatched', 'GET', 200],
      ],
    );
    assert.ok(served.observations.every(({ seconds }) => seconds >= 0 && seconds < 5));
  });

  test('probes are logged at debug', async () => {
    served.log.lines.length = 0;
    await get('/health/live');
    await settled(() => served.log.lines.length === 1);
    assert.equal(served.log.lines[0]?.level, 'debug');
  });

  test('a client that goes away is counted as 499', async () => {
    served.observations.length = 0;
    const socket = connect(served.port, '127.0.0.1');
    socket.write('GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(served.hanging, 'request');
    socket.destroy();
    await settled(() => served.observations.length === 1);
    assert.equal(served.observations[0]?.status, 499);
  });
});

suite('host check (RFC 9110 15.5.20)', () => {
  const status = async (host: string, path = '/x') =>
    (await rawRequestWithHost(outer.port, host, path)).status;

  test("only the issuer's host and its aliases are served", async () => {
    assert.equal(await status('127.0.0.1'), 200);
    assert.equal(await status('127.0.0.1:443'), 200);
    assert.equal(await status('ALIAS.test:8443'), 200);
    for (const host of ['evil.test', 'alias.test', '127.0.0.1.evil.test', '127.0.0.1:8080', '']) {
      assert.equal(await status(host), 421, host);
    }
  });

  test('the answer is a problem document, and X-Forwarded-Host of a stranger changes nothing', async () => {
    const { status, text } = await rawRequestWithHost(outer.port, 'evil.test', '/x', [
      'X-Forwarded-Host: 127.0.0.1',
    ]);
    assert.equal(status, 421);
    assert.match(text, /"code":"IDENT_MISDIRECTED"/);
  });

  test('an absolute-form target cannot smuggle another host in', async () => {
    assert.equal(await status('127.0.0.1', 'http://evil.test/x'), 421);
  });

  test('health and metrics are asked by address and are exempt', async () => {
    assert.equal(await status('10.1.2.3:3000', '/health/ready'), 200);
    assert.equal(await status('10.1.2.3:3000', '/metrics'), 200);
  });
});

suite('security headers', () => {
  const headersOf = async (port: number, host: string, path = '/x') =>
    (await rawRequestWithHost(port, host, path)).text.split('\r\n\r\n')[0] ?? '';

  test('ASVS 3.4.3, 3.4.5, 3.4.6, 3.4.8: every answer carries them, errors too', async () => {
    for (const host of ['localhost', 'evil.test']) {
      const headers = await headersOf(served.port, host);
      assert.ok(headers.includes(`Content-Security-Policy: ${PAGE_CSP}`));
      assert.match(headers, /Referrer-Policy: no-referrer/);
      assert.match(headers, /X-Content-Type-Options: nosniff/);
      assert.match(headers, /X-Frame-Options: DENY/);
      assert.match(headers, /Cross-Origin-Opener-Policy: same-origin/);
      assert.match(headers, /Cross-Origin-Resource-Policy: same-origin/);
      assert.match(headers, /Permissions-Policy: camera=\(\)/);
    }
  });

  test('ASVS 3.4.1: HSTS for a year or more when the issuer is https, else none', async () => {
    const hsts = /Strict-Transport-Security: max-age=(\d+); includeSubDomains/;
    const age = Number(hsts.exec(await headersOf(outer.port, '127.0.0.1'))?.[1]);
    assert.ok(age >= 31_536_000);
    assert.doesNotMatch(await headersOf(served.port, 'localhost'), hsts);
  });

  test('the policy allows no script, no framing and says nothing of form-action', () => {
    assert.match(
      PAGE_CSP,
      /default-src 'none'.*base-uri 'none'.*frame-ancestors 'none'.*object-src 'none'/,
    );
    assert.doesNotMatch(PAGE_CSP, /script|unsafe|form-action/);
  });
});

/** Waits for what happens after the answer is out, such as its log line. */
async function settled(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !done(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.ok(done());
}

function rawRequestWithHost(port: number, host: string, path: string, more: string[] = []) {
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...more, 'Connection: close'];
  return rawRequest(port, `${lines.join('\r\n')}\r\n\r\n`);
}
