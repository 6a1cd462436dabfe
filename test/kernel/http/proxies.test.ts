import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { suite, test } from 'node:test';
import { createProxies, normaliseIp } from '../../../src/kernel/http/proxies.ts';
import fc from '../../helpers/fast-check.ts';

/** As much of a request as these decisions look at. */
const request = (peer: string | undefined, headers: object = {}, url = '/') =>
  ({ socket: { remoteAddress: peer }, headers, url }) as unknown as IncomingMessage;

const proxies = createProxies({ trustedProxies: ['10.0.0.0/8', '::1', '2001:db8:1::/48'] });
const clientIp = (peer: string | undefined, forwarded?: string) =>
  proxies.clientIp(request(peer, forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }));

suite('the address of the client', () => {
  test('CVE-2026-45364: X-Forwarded-For is ignored unless the peer is a trusted proxy', () => {
    assert.equal(clientIp('203.0.113.9', '198.51.100.1'), '203.0.113.9');
    const none = createProxies({ trustedProxies: [] });
    assert.equal(none.clientIp(request('10.0.0.1', { 'x-forwarded-for': '1.1.1.1' })), '10.0.0.1');
  });

  test('hops are walked from the right: what the client wrote itself does not count', () => {
    assert.equal(clientIp('10.0.0.1', '1.1.1.1, 198.51.100.1'), '198.51.100.1');
    assert.equal(clientIp('10.0.0.1', '1.1.1.1, 198.51.100.1, 10.9.9.9'), '198.51.100.1');
    assert.equal(clientIp('10.0.0.1', '10.0.0.2, 10.0.0.3'), '10.0.0.2');
  });

  test('a hop that is no address ends the walk at the last one that was vouched for', () => {
    for (const hop of [
      'unknown',
      '',
      '_hidden',
      '1.2.3',
      '0x7f.1',
      '127.1',
      '010.0.0.1',
      '1.2.3.4.5',
    ]) {
      assert.equal(clientIp('10.0.0.1', `1.1.1.1, ${hop}`), '10.0.0.1', hop);
    }
  });

  test('ports are taken off, as some proxies add them', () => {
    assert.equal(clientIp('10.0.0.1', '198.51.100.1:4711'), '198.51.100.1');
    assert.equal(clientIp('10.0.0.1', '[2001:db8::1]:4711'), '2001:db8::1');
    assert.equal(clientIp('10.0.0.1', '[2001:db8::1]'), '2001:db8::1');
  });

  test('every spelling of an address is one', () => {
    for (const text of ['::ffff:10.0.0.1', '::FFFF:0a00:0001', '10.0.0.1']) {
      assert.equal(clientIp(text, '::ffff:198.51.100.1'), '198.51.100.1', text);
    }
    assert.equal(clientIp('2001:DB8:2:0:0::1'), '2001:db8:2::1');
    assert.equal(clientIp('fe80::1%eth0'), 'fe80::1');
  });

  test('a connection without an address has none', () => {
    assert.equal(clientIp(undefined, '1.1.1.1'), null);
  });

  test('an endless chain is cut', () => {
    assert.equal(clientIp('10.0.0.1', Array(1000).fill('10.0.0.2').join(',')), '10.0.0.2');
  });

  test('whatever is forwarded, the answer is a normal address', () => {
    const hop = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 20 }));
    const property = fc.property(fc.array(hop, { maxLength: 8 }), (hops) => {
      const address = clientIp('10.0.0.1', hops.join(', '));
      assert.equal(address, normaliseIp(address ?? ''));
    });
    fc.assert(property);
  });

  test('a proxy that is no network stops the start', () => {
    for (const text of ['', 'example.com', '10.0.0.0/33', '10.0.0.0/x', '::/129', '10.0.0.0/-1']) {
      assert.throws(() => createProxies({ trustedProxies: [text] }), TypeError, text);
    }
  });
});

suite('scheme and host', () => {
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a.test', host: 'b.test' };

  test('RFC 9700 4.13: forwarded scheme and host count from a trusted proxy only', () => {
    assert.equal(proxies.isSecure(request('10.0.0.1', forwarded)), true);
    assert.equal(proxies.isSecure(request('203.0.113.9', forwarded)), false);
    assert.equal(proxies.host(request('10.0.0.1', forwarded)), 'a.test');
    assert.equal(proxies.host(request('203.0.113.9', forwarded)), 'b.test');
  });

  test('of several values the nearest proxy counts', () => {
    const headers = { 'x-forwarded-proto': 'https, http', 'x-forwarded-host': 'evil.test, a.test' };
    assert.equal(proxies.isSecure(request('10.0.0.1', headers)), false);
    assert.equal(proxies.host(request('10.0.0.1', headers)), 'a.test');
  });

  test('the authority of an absolute-form target replaces Host (RFC 9112 3.2.2)', () => {
    assert.equal(
      proxies.host(request('1.1.1.1', { host: 'a.test' }, 'http://B.test:8/x')),
      'b.test:8',
    );
  });

  test('what is no host is none', () => {
    for (const host of ['', 'a b', 'a.test/x', 'a.test@b', 'a.test:port', 'a.test\u0000', '[::1']) {
      assert.equal(proxies.host(request('1.1.1.1', { host })), null, host);
    }
    assert.equal(proxies.host(request('1.1.1.1', { host: '[::1]:3000' })), '[::1]:3000');
  });
});
