import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, suite, test } from 'node:test';
import { createLookups } from '../../src/infra/lookups.ts';
import {
  CODE_NAMESPACES,
  type CodeResult,
  createOneTimeCodes,
} from '../../src/infra/one-time-codes.ts';
import { createRedis } from '../../src/infra/redis.ts';
import { AppError, type ErrorCode } from '../../src/kernel/errors.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';

const prefix = redisPrefix();
const redis = createRedis({ url: testRedisUrl(), prefix, onError: () => {} });
await redis.connect();
after(async () => {
  const keys = await redis.keys(`${prefix}*`);
  if (keys.length > 0) await redis.del(keys.map((key) => key.slice(prefix.length)));
  redis.disconnect();
});

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const lookups = createLookups([randomBytes(32)]);
let names = 0;
/** An engine with a clock of its own, and an identifier that nothing else uses. */
function make() {
  const clock = createFakeClock();
  const results: CodeResult[] = [];
  const codes = createOneTimeCodes({
    redis,
    clock,
    lookups,
    onResult: (_namespace, result) => results.push(result),
  });
  return { clock, codes, results, id: `email:person-${names++}@lotus.example` };
}

const refused = (code: ErrorCode, retryAfter?: number) => (error: unknown) => {
  assert.ok(error instanceof AppError, String(error));
  assert.equal(error.code, code);
  if (retryAfter !== undefined) assert.equal(error.options.retryAfter, retryAfter);
  return true;
};
const times = <T>(count: number, work: (index: number) => Promise<T>) =>
  Promise.allSettled(Array.from({ length: count }, (_, index) => work(index)));
/** Another code than this one. */
const wrong = (code: string, by = 1) => String((Number(code) + by) % 1_000_000).padStart(6, '0');

suite('a code', () => {
  test('ASVS 6.5.4: has six digits, lives as long as its namespace says, works once (6.5.1)', async () => {
    const lives = new Map<string, number>();
    for (const namespace of CODE_NAMESPACES) {
      const { codes, clock, id } = make();
      const { code, expiresAt, minutes } = await codes.request(namespace, id);
      assert.match(code, /^\d{6}$/);
      assert.equal(expiresAt, clock.now() + minutes * MINUTE);
      lives.set(namespace, minutes);
      await codes.verify(namespace, id, code);
      await assert.rejects(codes.verify(namespace, id, code), refused('IDENT_TOKEN_SPENT'));
    }
    assert.deepEqual(Object.fromEntries(lives), {
      'verify-email': 15,
      'verify-phone': 10,
      'forgot-password': 10,
      'email-auth': 10,
      'phone-auth': 5,
      'add-email': 15,
      'add-phone': 10,
      'mfa-email': 10,
      'mfa-sms': 5,
    });
  });

  test('is dead from the moment that it expires, and not before', async () => {
    for (const [early, code] of [
      [1, null],
      [0, 'IDENT_TOKEN_SPENT'],
    ] as const) {
      const { codes, clock, id } = make();
      const made = await codes.request('phone-auth', id);
      clock.advance(5 * MINUTE - early);
      const verified = codes.verify('phone-auth', id, made.code);
      await (code ? assert.rejects(verified, refused(code)) : verified);
    }
  });

  test('ASVS 6.5.5: no sign-in code lives longer than 10 minutes, none longer than 15 or shorter than 5', async () => {
    const { codes, id } = make();
    for (const namespace of ['email-auth', 'phone-auth', 'mfa-email', 'mfa-sms'] as const) {
      await assert.rejects(codes.request(namespace, id, { ttl: 10 * MINUTE + 1 }), RangeError);
    }
    await assert.rejects(codes.request('verify-email', id, { ttl: 15 * MINUTE + 1 }), RangeError);
    await assert.rejects(codes.request('verify-email', id, { ttl: 5 * MINUTE - 1 }), RangeError);
    const { minutes } = await codes.request('phone-auth', id, { ttl: 10 * MINUTE });
    assert.equal(minutes, 10);
  });

  test('ends when a newer one is requested', async () => {
    const { codes, clock, id } = make();
    const first = await codes.request('verify-email', id);
    clock.advance(MINUTE);
    let second = await codes.request('verify-email', id);
    // One time in a million both are alike.
    for (; second.code === first.code; clock.advance(MINUTE)) {
      second = await codes.request('verify-email', id);
    }
    await assert.rejects(
      codes.verify('verify-email', id, first.code),
      refused('IDENT_TOKEN_SPENT'),
    );
    await codes.verify('verify-email', id, second.code);
  });

  test('ASVS 6.6.2: opens nothing for another identifier, namespace or purpose that it is bound to', async () => {
    const { codes, id } = make();
    const { code } = await codes.request('add-email', id, { boundTo: 'new@lotus.example' });
    const other = make();
    for (const attempt of [
      codes.verify('add-email', other.id, code, { boundTo: 'new@lotus.example' }),
      codes.verify('add-phone', id, code, { boundTo: 'new@lotus.example' }),
      codes.verify('add-email', id, code, { boundTo: 'evil@lotus.example' }),
      codes.verify('add-email', id, code),
    ]) {
      await assert.rejects(attempt, refused('IDENT_TOKEN_SPENT'));
    }
    await codes.verify('add-email', id, code, { boundTo: 'new@lotus.example' });
  });

  test('of 50 right tries at once one succeeds', async () => {
    const { codes, id } = make();
    const { code } = await codes.request('email-auth', id);
    const settled = await times(50, () => codes.verify('email-auth', id, code));
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const one of settled) {
      if (one.status === 'rejected') refused('IDENT_TOKEN_SPENT')(one.reason);
    }
  });
});

suite('sending', () => {
  test('waits 60 seconds between two codes', async () => {
    const { codes, clock, id } = make();
    await codes.request('verify-email', id);
    await assert.rejects(codes.request('verify-email', id), refused('IDENT_RATE_LIMITED', 60));
    clock.advance(MINUTE - 1);
    await assert.rejects(codes.request('verify-email', id), refused('IDENT_RATE_LIMITED', 1));
    clock.advance(1);
    await codes.request('verify-email', id);
  });

  test('ends after 10 codes in any 24 hours', async () => {
    const { codes, clock, id } = make();
    for (let sent = 0; sent < 10; sent++) {
      await codes.request('verify-email', id);
      clock.advance(MINUTE);
    }
    const wait = (24 * HOUR - 10 * MINUTE) / SECOND;
    await assert.rejects(codes.request('verify-email', id), refused('IDENT_RATE_LIMITED', wait));
    clock.advance(24 * HOUR - 10 * MINUTE - 1);
    await assert.rejects(codes.request('verify-email', id), refused('IDENT_RATE_LIMITED', 1));
    clock.advance(1);
    await codes.request('verify-email', id);
    // The second of the ten is a minute younger than the first.
    clock.advance(MINUTE - 1);
    await assert.rejects(codes.request('verify-email', id), refused('IDENT_RATE_LIMITED', 1));
    clock.advance(1);
    await codes.request('verify-email', id);
  });

  test('50 requests at once send one code', async () => {
    const { codes, id, results } = make();
    const settled = await times(50, () => codes.request('forgot-password', id));
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal(results.filter((result) => result === 'cooldown').length, 49);
  });

  test('each namespace and identifier has a pace of its own', async () => {
    const { codes, id } = make();
    for (const namespace of CODE_NAMESPACES) await codes.request(namespace, id);
    await codes.request('verify-email', make().id);
  });
});

suite('guessing', () => {
  test('ASVS 6.6.3: the fifth wrong try locks for 15 minutes, and the right code is dead', async () => {
    const { codes, clock, id, results } = make();
    const { code } = await codes.request('verify-email', id);
    for (let tries = 1; tries <= 5; tries++) {
      await assert.rejects(
        codes.verify('verify-email', id, wrong(code, tries)),
        refused('IDENT_TOKEN_SPENT'),
      );
    }
    assert.deepEqual(results.slice(1), ['wrong', 'wrong', 'wrong', 'wrong', 'closed']);
    await assert.rejects(codes.verify('verify-email', id, code), refused('IDENT_LOCKED', 900));
    clock.advance(15 * MINUTE - 1);
    await assert.rejects(codes.verify('verify-email', id, code), refused('IDENT_LOCKED', 1));
    await assert.rejects(codes.request('verify-email', id), refused('IDENT_LOCKED', 1));
    clock.advance(1);
    await assert.rejects(codes.verify('verify-email', id, code), refused('IDENT_TOKEN_SPENT'));
    const next = await codes.request('verify-email', id);
    await assert.rejects(
      codes.verify('verify-email', id, wrong(next.code)),
      refused('IDENT_TOKEN_SPENT'),
    );
    await codes.verify('verify-email', id, next.code);
  });

  test('50 wrong guesses at once get no more tries than 50 in a row', async () => {
    const { codes, id, results } = make();
    const { code } = await codes.request('email-auth', id);
    await times(50, (index) => codes.verify('email-auth', id, wrong(code, index + 1)));
    const tally = (name: CodeResult) => results.filter((result) => result === name).length;
    assert.deepEqual([tally('wrong'), tally('closed'), tally('locked')], [4, 1, 45]);
    await assert.rejects(codes.verify('email-auth', id, code), refused('IDENT_LOCKED'));
  });

  test('wrong tries add up over several codes, and a right one forgives them', async () => {
    const { codes, clock, id } = make();
    const guess = async (count: number) => {
      const { code } = await codes.request('verify-email', id);
      for (let tries = 1; tries <= count; tries++) {
        await assert.rejects(
          codes.verify('verify-email', id, wrong(code, tries)),
          refused('IDENT_TOKEN_SPENT'),
        );
      }
      clock.advance(MINUTE);
      return code;
    };
    await codes.verify('verify-email', id, await guess(4));
    const second = await guess(3);
    await codes.verify('verify-email', id, second);
    await guess(3);
    const last = await guess(2);
    await assert.rejects(codes.verify('verify-email', id, last), refused('IDENT_LOCKED'));
  });

  test('wrong tries are forgotten 15 minutes after the last', async () => {
    const { codes, clock, id } = make();
    const first = await codes.request('verify-email', id);
    for (let tries = 1; tries <= 4; tries++) {
      await times(1, () => codes.verify('verify-email', id, wrong(first.code, tries)));
    }
    clock.advance(15 * MINUTE);
    const second = await codes.request('verify-email', id);
    for (let tries = 1; tries <= 4; tries++) {
      await times(1, () => codes.verify('verify-email', id, wrong(second.code, tries)));
    }
    await codes.verify('verify-email', id, second.code);
  });

  test('ASVS 6.1.1: without a code there is nothing to guess, so nobody is locked out by it', async () => {
    const { codes, id } = make();
    for (let tries = 0; tries < 20; tries++) {
      await assert.rejects(
        codes.verify('verify-email', id, '000000'),
        refused('IDENT_TOKEN_SPENT'),
      );
    }
    const { code } = await codes.request('verify-email', id);
    await codes.verify('verify-email', id, code);
  });

  test('ASVS 6.1.1: a known browser has budgets and a code that strangers cannot use up', async () => {
    const { codes, clock, id } = make();
    for (let sent = 0; sent < 10; sent++) {
      await codes.request('email-auth', id);
      clock.advance(MINUTE);
    }
    await assert.rejects(codes.request('email-auth', id), refused('IDENT_RATE_LIMITED'));
    const own = await codes.request('email-auth', id, { browser: 'b1' });
    await times(5, (index) => codes.verify('email-auth', id, wrong(own.code, index + 1)));
    const other = codes.verify('email-auth', id, own.code, { browser: 'b2' });
    await assert.rejects(other, refused('IDENT_TOKEN_SPENT'));
    await codes.verify('email-auth', id, own.code, { browser: 'b1' });
  });

  test('an operator lifts lockout, cooldown and quota, each of one namespace', async () => {
    const { codes, id } = make();
    for (const namespace of ['verify-email', 'email-auth'] as const) {
      const { code } = await codes.request(namespace, id);
      await times(5, (index) => codes.verify(namespace, id, wrong(code, index + 1)));
    }
    await codes.unlock('verify-email', id);
    const { code } = await codes.request('verify-email', id);
    await codes.verify('verify-email', id, code);
    await assert.rejects(codes.request('email-auth', id), refused('IDENT_LOCKED'));
  });
});

suite('in Redis', () => {
  test('keys and values hold neither identifier nor code; those of one identifier share a slot', async () => {
    const { codes, id } = make();
    const before = new Set(await redis.keys(`${prefix}*`));
    const { code } = await codes.request('verify-phone', id);
    await times(1, () => codes.verify('verify-phone', id, wrong(code)));
    await codes.verify('verify-phone', id, code);
    await codes.request('add-phone', id);
    await times(1, () => codes.verify('add-phone', id, 'wrong'));
    const keys = (await redis.keys(`${prefix}*`)).filter((key) => !before.has(key));
    const names = keys.map((key) => key.slice(prefix.length));
    assert.deepEqual(names.map((name) => name.replace(/:\{.*/, '')).sort(), [
      'add-phone:cooldown',
      'add-phone:daily',
      'add-phone:lock',
      'add-phone:otp',
      'verify-phone:cooldown',
      'verify-phone:daily',
    ]);
    const tags = names.map((name) => /\{([^}]+)\}/.exec(name)?.[1]);
    assert.equal(new Set(tags).size, 1, 'one hash tag');
    assert.match(String(tags[0]), /^[0-9a-f]{32}$/);
    const values = await Promise.all(
      names.map(async (name) => {
        const type = await redis.type(name);
        if (type === 'hash') return JSON.stringify(await redis.hgetall(name));
        if (type === 'list') return JSON.stringify(await redis.lrange(name, 0, -1));
        return String(await redis.get(name));
      }),
    );
    const stored = [...names, ...values].join('\n');
    assert.ok(!stored.includes('person-'));
    assert.doesNotMatch(stored, new RegExp(`(?<![0-9a-f])${code}(?![0-9a-f])`));
    for (const name of names) assert.ok((await redis.pttl(name)) > 0, `${name} expires`);
  });

  test('ASVS 16.5.3: without Redis every call is refused with 503, never let through', async () => {
    const gone = createRedis({ url: 'redis://127.0.0.1:1', prefix, onError: () => {} });
    after(() => gone.disconnect());
    const codes = createOneTimeCodes({
      redis: gone,
      clock: createFakeClock(),
      lookups,
      onResult: () => assert.fail('nothing was decided'),
    });
    for (const call of [
      codes.request('email-auth', 'email:a'),
      codes.verify('email-auth', 'email:a', '123456'),
      codes.unlock('email-auth', 'email:a'),
    ]) {
      await assert.rejects(call, refused('IDENT_UNAVAILABLE'));
    }
  });
});
