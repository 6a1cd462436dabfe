import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  createOutbound,
  isPublicAddress,
  type OutboundOptions,
  OutboundRefusedError,
  type ResolveAll,
} from '../../src/infra/outbound.ts';
import { createCertificate } from '../helpers/certificate.ts';

const { cert, key } = createCertificate(['public.example', 'rebind.example', 'localhost']);

/** Requests that reached the service inside, by path. */
const reached: string[] = [];

const answer: RequestListener = (request, response) => {
  reached.push(request.url ?? '');
  if (request.url === '/redirect') {
    response.writeHead(302, { location: 'http://127.0.0.1/secret' }).end();
  } else if (request.url === '/bomb') {
    response.writeHead(200, { 'content-encoding': 'gzip' });
    response.end(gzipSync(Buffer.alloc(8 * 1024 * 1024)));
  } else if (request.url === '/long') {
    response.writeHead(200).end(Buffer.alloc(2 * 1024 * 1024));
  } else if (request.url === '/silent') {
    response.writeHead(200).write('{');
  } else response.end('{"inside":true}');
};

const inside = createServer(answer);
const insideTls = createTlsServer({ cert, key }, answer);
for (const server of [inside, insideTls]) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close().closeAllConnections());
}
const port = (inside.address() as AddressInfo).port;
const tlsPort = (insideTls.address() as AddressInfo).port;

function guard(allowed: string[], options: OutboundOptions = {}) {
  const outbound = createOutbound(allowed, { ca: [cert], ...options });
  after(() => outbound.close());
  return outbound;
}

/** Resolves every name to these addresses, one set after another, the last for ever. */
function resolveTo(...answers: string[][]): ResolveAll & { asked: number } {
  const resolve = ((_hostname, _options, callback) => {
    const addresses = answers[Math.min(resolve.asked++, answers.length - 1)] ?? [];
    const found: LookupAddress[] = addresses.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    setImmediate(() => callback(null, found));
  }) as ResolveAll & { asked: number };
  resolve.asked = 0;
  return resolve;
}

async function assertRefused(request: Promise<unknown>): Promise<void> {
  const before = reached.length;
  const error = await request.then(
    () => assert.fail('the request was made'),
    (failure: Error) => failure,
  );
  assert.ok(error.cause instanceof OutboundRefusedError, String(error.cause));
  assert.equal(reached.length, before, 'the service inside was reached');
}

const PRIVATE = [
  ...['127.0.0.1', '127.255.255.254', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
  ...['169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '240.0.0.1'],
  ...['192.0.0.8', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
  ...['::', '::1', 'fe80::1', 'fec0::1', 'fc00::1', 'fd12::1', 'ff02::1', '2001:db8::1', '3fff::1'],
  ...['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1', '::7f00:1'],
  ...['64:ff9b::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1', '2002:7f00:1::', '2002:a00:1::1'],
  ...['2001::1', '100::1', '5f00::1', 'fe80::1%eth0', 'not an address', ''],
];

describe('the outbound guard', () => {
  test('CVE-2026-55671: no private, loopback, link-local or reserved address is public, however it is written', () => {
    for (const address of PRIVATE) assert.equal(isPublicAddress(address), false, address);
    for (const address of ['8.8.8.8', '::ffff:8.8.8.8', '64:ff9b::808:808', '2606:4700::1111']) {
      assert.equal(isPublicAddress(address), true, address);
    }
  });

  test('CVE-2026-55671: addresses of the inside are refused in every spelling of a URL', async () => {
    const { fetch } = guard([]);
    const hosts = ['127.0.0.1', '127.1', '0x7f000001', '2130706433', '0177.0.0.1', '[::1]', '0'];
    hosts.push('[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '169.254.169.254', '%31%32%37.0.0.1');
    for (const host of hosts) await assertRefused(fetch(`https://${host}:${tlsPort}/`));
  });

  test('CVE-2026-55671: a name that leads inside is refused, also when only one of its addresses does', async () => {
    await assertRefused(guard([]).fetch(`https://localhost:${tlsPort}/`));
    const resolve = resolveTo(['8.8.8.8', '127.0.0.1']);
    await assertRefused(guard([], { resolve }).fetch(`https://public.example:${tlsPort}/`));
  });

  test('CVE-2026-55671: DNS rebinding gains nothing: the name is resolved once, by the connection itself', async () => {
    // Public when somebody checks, private when the connection is made.
    const resolve = resolveTo(['8.8.8.8'], ['127.0.0.1']);
    const checked = await new Promise<LookupAddress[]>((done) =>
      resolve('rebind.example', { all: true }, (_error, addresses) => done(addresses)),
    );
    assert.deepEqual(checked, [{ address: '8.8.8.8', family: 4 }]);
    await assertRefused(guard([], { resolve }).fetch(`https://rebind.example:${tlsPort}/`));
    assert.equal(resolve.asked, 2, 'the connection asked once');
  });

  test('CVE-2026-55671: plain connections, as to a mail server, are made to public addresses only', async () => {
    const resolvers = [resolveTo(['8.8.8.8', '127.0.0.1']), resolveTo(['127.0.0.1'])];
    for (const resolve of resolvers) {
      const { connect } = guard([], { resolve });
      await assert.rejects(connect({ host: 'mail.example', port }), OutboundRefusedError);
      assert.equal(resolve.asked, 1, 'the connection asked once');
    }
    for (const host of ['127.0.0.1', '::1', '169.254.169.254', '::ffff:127.0.0.1', 'localhost']) {
      await assert.rejects(guard([]).connect({ host, port }), OutboundRefusedError, host);
    }
    await assert.rejects(guard([`localhost:${port + 1}`]).connect({ host: 'localhost', port }));
    const socket = await guard([`LOCALHOST:${port}`]).connect({ host: 'localhost', port });
    assert.equal(socket.remotePort, port);
    socket.destroy();
  });

  test('CVE-2026-55671: redirects are not followed, not even by those who ask for it', async () => {
    const { fetch } = guard([`localhost:${tlsPort}`]);
    const before = reached.length;
    for (const redirect of ['follow', 'manual'] as const) {
      const response = await fetch(`https://localhost:${tlsPort}/redirect`, { redirect });
      assert.equal(response.status, 302);
    }
    assert.deepEqual(reached.slice(before), ['/redirect', '/redirect']);
  });

  test('hosts that are named are reached, by http too, and only at the named port', async () => {
    const { fetch } = guard([`localhost:${port}`, 'PUBLIC.example'], {
      resolve: resolveTo(['127.0.0.1']),
    });
    assert.deepEqual(await (await fetch(`http://localhost:${port}/`)).json(), { inside: true });
    assert.equal((await fetch(`https://public.example:${tlsPort}/`)).status, 200);
    await assertRefused(fetch(`https://localhost:${tlsPort}/`));
  });

  test('only https leads to where nobody vouches for, and no URL carries credentials', async () => {
    const { fetch } = guard([`localhost:${port}`]);
    await assertRefused(fetch('http://93.184.215.14/'));
    await assertRefused(fetch('file:///etc/passwd'));
    await assertRefused(fetch('data:text/plain,hello'));
    await assertRefused(fetch(`http://user:secret@localhost:${port}/`));
  });

  test('a certificate that is not trusted is not talked to', async () => {
    const { fetch } = guard([`localhost:${tlsPort}`], {
      ca: [createCertificate(['localhost']).cert],
    });
    const before = reached.length;
    await assert.rejects(fetch(`https://localhost:${tlsPort}/`));
    assert.equal(reached.length, before);
  });

  test('a body is read up to a bound, as sent and as unpacked', async () => {
    const { fetch } = guard([`localhost:${port}`]);
    for (const path of ['/long', '/bomb']) {
      await assert.rejects(async () => (await fetch(`http://localhost:${port}${path}`)).text());
    }
  });

  test("a request ends with its caller's signal, while the body is read too", async () => {
    const { fetch } = guard([`localhost:${port}`]);
    const abort = new AbortController();
    const response = await fetch(`http://localhost:${port}/silent`, { signal: abort.signal });
    const body = response.text();
    abort.abort();
    await assert.rejects(body);
  });

  test("the engine's own dispatcher is replaced by the guard's", async () => {
    const { fetch } = guard([`localhost:${port}`]);
    const dispatcher = {
      dispatch: () => assert.fail('the foreign dispatcher was used'),
    };
    const init = { dispatcher } as unknown as RequestInit;
    assert.equal((await fetch(`http://localhost:${port}/`, init)).status, 200);
  });
});
