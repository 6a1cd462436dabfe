import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  createMessenger,
  type MessageTemplates,
  type TemplateName,
} from '../../src/features/messaging/index.ts';
import { createRateLimits } from '../../src/infra/rate-limits.ts';
import { createRedis } from '../../src/infra/redis.ts';
import { sampleValues } from '../../src/pages/index.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';

const DAY = 24 * 3_600_000;

const redis = createRedis({ url: testRedisUrl(), prefix: redisPrefix(), onError() {} });
await redis.connect();
after(() => redis.disconnect());

const clock = createFakeClock();
const letters: (string | null)[] = [];
const limited: string[] = [];
const desk = {
  isReady: async () => true,
  forget: async () => {},
  enqueue: async (_id: string, { to }: { to: string | null }) => void letters.push(to),
};
const messenger = createMessenger({
  posts: { mail: desk, sms: desk },
  rateLimits: createRateLimits({ redis, clock }),
  onLimited: (channel, template) => void limited.push(`${channel} ${template}`),
});

let count = 0;
async function send<T extends TemplateName>(template: T, to: string | null) {
  letters.length = 0;
  await messenger.send(`message-${count++}`, {
    template,
    to,
    tenantId: '01900000-0000-7000-8000-00000000000a',
    locale: null,
    values: sampleValues[template] as unknown as MessageTemplates[T],
    expiresAt: clock.now() + DAY,
  });
  assert.equal(letters.length, 1, 'the queue gets one, whoever it is for');
  return letters[0];
}

test('one address is sent thirty mails a day of all kinds, and what warns people always (ASVS 2.4.1)', async () => {
  const to = 'often@lotus.example';
  for (let i = 0; i < 15; i += 1) {
    assert.equal(await send('verify-email', to), to);
    const spelled = to.toUpperCase();
    assert.equal(await send('forgot-password', spelled), spelled);
  }
  assert.equal(await send('email-auth', to), null);
  assert.deepEqual(limited, ['mail email-auth']);
  assert.equal(await send('password-changed', to), to);
  assert.equal(await send('verify-email', 'seldom@lotus.example'), 'seldom@lotus.example');
  clock.advance(DAY);
  assert.equal(await send('email-auth', to), to);
});

test('one number is sent fifteen SMS a day; nobody is counted like somebody, and told of less', async () => {
  limited.length = 0;
  for (let i = 0; i < 15; i += 1)
    assert.equal(await send('phone-auth', '+84900000001'), '+84900000001');
  assert.equal(await send('verify-phone', '+84900000001'), null);
  // What follows a right password strangers cannot use up.
  assert.equal(await send('mfa-sms', '+84900000001'), '+84900000001');
  for (let i = 0; i < 20; i += 1) assert.equal(await send('phone-auth', null), null);
  assert.deepEqual(limited, ['sms verify-phone']);
});
