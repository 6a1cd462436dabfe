import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { inspect } from 'node:util';
import knexFactory from 'knex';
import { createLogger, maskIdentifier, securityEvent } from '../../src/infra/logger.ts';
import { Secret } from '../../src/kernel/crypto.ts';
import { runInRequest } from '../../src/kernel/current-request.ts';
import { AppError } from '../../src/kernel/errors.ts';
import { testServerUrl } from '../helpers/database.ts';
import fc from '../helpers/fast-check.ts';

/** A logger whose lines are kept. */
function capture(level = 'trace') {
  const lines: string[] = [];
  const log = createLogger({ level, destination: { write: (line) => void lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

const context = {
  requestId: 'r1',
  clientIp: '192.0.2.1',
  userAgent: 'agent',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  actorId: 'u1',
  tenantId: 't1',
};

suite('lines', () => {
  test('are one JSON object with time, level and message', () => {
    const { log, last, lines } = capture();
    log.info({ a: 1 }, 'hello');
    const { time, ...rest } = last();
    assert.deepEqual(rest, { level: 'info', a: 1, msg: 'hello' });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.ok(lines[0]?.endsWith('\n'));
  });

  test('carry the ids of the request being served', () => {
    const { log, last } = capture();
    runInRequest(context, () => log.info('x'));
    const { requestId, userId, tenantId, traceId } = last();
    assert.deepEqual(
      [requestId, userId, tenantId, traceId],
      ['r1', 'u1', 't1', '4bf92f3577b34da6a3ce929d0e0e4736'],
    );
  });

  test('a security event is a warning that says who and from where (ASVS 16.3.1)', () => {
    const { log, last } = capture();
    runInRequest(context, () => securityEvent(log, 'auth.lockout', { account: 'x' }));
    const { level, event, client_ip, user_agent, account } = last();
    assert.deepEqual(
      [level, event, client_ip, user_agent, account],
      ['warn', 'auth.lockout', '192.0.2.1', 'agent', 'x'],
    );
  });
});

suite('ASVS 16.2.5: secrets are not logged', () => {
  const names = [
    'password',
    'newPassword',
    'client_secret',
    'clientSecret',
    'access_token',
    'refreshToken',
    'id_token_hint',
    'Authorization',
    'cookie',
    'set-cookie',
    'X-API-Key',
    'code',
    'code_verifier',
    'otp',
    'client_assertion',
    'private_key',
  ];
  const nest = (depth: number, name: string, value: unknown): object =>
    depth === 0 ? { [name]: value } : { a: [{ b: nest(depth - 1, name, value) }] };

  for (const name of names) {
    test(`${name}, at any depth, in child loggers too`, () => {
      const { log, lines } = capture();
      for (let depth = 0; depth < 5; depth++) log.info(nest(depth, name, 's3cr3t'), 'x');
      log.info({ [name]: { inner: 's3cr3t' } }, 'x');
      log.info({ [name]: ['s3cr3t'] }, 'x');
      log.info({ [name]: 31_337 }, 'x');
      log.child({ [name]: 's3cr3t' }).info('x');
      assert.doesNotMatch(lines.join(''), /s3cr3t|31337/);
      assert.match(lines[0] ?? '', /\[redacted\]/);
    });
  }

  test('a Secret, bytes, and tokens inside a text', () => {
    const { log, lines } = capture();
    const jwt = `eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(30)}.${'b'.repeat(30)}`;
    log.info({ value: new Secret('s3cr3t'), bytes: Buffer.from('s3cr3t') }, 'x');
    log.info({ note: `got Bearer s3cr3t-s3cr3t and ${jwt}` }, `token ${jwt}`);
    assert.doesNotMatch(lines.join(''), /s3cr3t|eyJ|115,51/);
  });

  test('the query of a URL', () => {
    const { log, last } = capture();
    log.info({ url: 'https://a.test/cb?code=x#y' }, 'x');
    assert.equal(last().url, 'https://a.test/cb');
  });

  test('identifiers of people are masked, masked ones left alone', () => {
    const { log, last } = capture();
    log.info({ email: 'an@example.com', identifier: maskIdentifier('an@example.com') }, 'x');
    assert.deepEqual([last().email, last().identifier], ['a…@e…', 'a…@e…']);
  });

  test('error codes are no secrets', () => {
    const { log, last } = capture();
    log.info({ code: 'IDENT_LOCKED' }, 'x');
    assert.equal(last().code, 'IDENT_LOCKED');
    log.info({ code: 'ABCD' }, 'x');
    assert.equal(last().code, '[redacted]');
  });
});

suite('errors', () => {
  test('are logged with kind, code, stack and causes', () => {
    const { log, last } = capture();
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    log.error({ err: new AppError('IDENT_UNAVAILABLE', { cause }) }, 'x');
    const err = last().err as { type: string; code: string; stack: string; cause: object };
    assert.deepEqual([err.type, err.code], ['AppError', 'IDENT_UNAVAILABLE']);
    assert.match(err.stack, /^\s+at /);
    const inner = err.cause as { message: string; code: string };
    assert.deepEqual([inner.message, inner.code], ['refused', 'ECONNREFUSED']);
  });

  test('values that drivers put into errors stay out', async () => {
    const { log, lines } = capture();
    const knex = knexFactory({
      client: 'pg',
      connection: testServerUrl(),
      pool: { min: 0, max: 1 },
    });
    const fail = async (query: PromiseLike<unknown>) => {
      const error = await Promise.resolve(query).catch((thrown: Error) => thrown);
      assert.match(inspect(error), /s3cr3t/, 'the driver tells it');
      log.error({ err: error }, 'x');
      log.error(error);
      log.error({ err: error });
    };
    await knex.raw('CREATE TEMPORARY TABLE people (email text PRIMARY KEY)');
    await knex('people').insert({ email: 's3cr3t@example.com' });
    await fail(knex('people').insert({ email: 's3cr3t@example.com' }));
    await fail(knex.select(knex.raw('?::uuid', ['s3cr3t - s3cr3t'])));
    assert.doesNotMatch(lines.join(''), /s3cr3t/);
    assert.match(lines.join(''), /duplicate key/);
    assert.match(lines.join(''), /invalid input syntax for type uuid/);
    await knex.destroy();
  });
});

suite('ASVS 16.4.1: what is logged cannot forge a line or command a terminal', () => {
  test('one entry is one line of printable text, whatever is in it', () => {
    const { log, lines } = capture();
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(text, text, text, (key, value, message) => {
        lines.length = 0;
        log.info({ [key]: value, userAgent: value }, message);
        assert.equal(lines.length, 1);
        const line = lines[0]?.slice(0, -1) ?? '';
        assert.doesNotMatch(line, /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
        assert.equal(typeof JSON.parse(line), 'object');
      }),
    );
  });

  test('a line is bounded, cycles and large graphs included', () => {
    const { log, lines } = capture();
    const node: Record<string, unknown> = {};
    for (let index = 0; index < 50; index++) node[`member${index}`] = node;
    log.info({ node, long: 'x'.repeat(1_000_000) }, 'x');
    assert.ok((lines[0]?.length ?? 0) < 100_000);
  });
});

suite('maskIdentifier', () => {
  for (const [identifier, masked] of [
    ['an@example.com', 'a…@e…'],
    ['+84901234567', '+84…67'],
    ['0901 234 567', '090…67'],
    ['nguyen.van.an', 'n…'],
    ['', '…'],
    ['@x', '@…'],
  ] as const) {
    test(`${identifier || 'nothing'} → ${masked}`, () => {
      assert.equal(maskIdentifier(identifier), masked);
      assert.equal(maskIdentifier(masked), masked);
    });
  }
});
