import assert from 'node:assert/strict';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { createQueues, PermanentJobError, type Queues } from '../../src/infra/queues.ts';
import { becomesTrue, randomText } from '../flows/support.ts';
import { redisPrefix, testRedisUrl } from '../helpers/database.ts';

/** Milliseconds that a job may take on a busy machine. */
const PATIENCE = 30_000;

interface Work {
  name: string;
}

const log = pino({ level: 'silent' });
const prefix = redisPrefix();

/** Queues of one process; processes share Redis and prefix. */
function start(): Queues {
  const queues = createQueues({ url: testRedisUrl(), prefix, log });
  after(() => queues.close());
  return queues;
}

const options = { attempts: 4, backoff: 10 };
const one = start();
const two = start();

test('a job is worked off by another process, with what was given', async () => {
  const done: Work[] = [];
  two.create<Work>('given', options).consume(async (data) => void done.push(data));
  await one.create<Work>('given', options).add(randomText(8), { name: 'An' });
  assert.ok(await becomesTrue(() => done.length === 1, PATIENCE));
  assert.deepEqual(done, [{ name: 'An' }]);
});

test('a job that fails is tried again, and knows which try is its last', async () => {
  const tries: object[] = [];
  const queue = one.create<Work>('failing', options);
  queue.consume(async (_data, { attempt, isLast }) => {
    tries.push({ attempt, isLast });
    throw new Error('not yet');
  });
  await queue.add(randomText(8), { name: 'An' });
  assert.ok(await becomesTrue(() => tries.length === 4, PATIENCE));
  assert.deepEqual(tries, [
    { attempt: 1, isLast: false },
    { attempt: 2, isLast: false },
    { attempt: 3, isLast: false },
    { attempt: 4, isLast: true },
  ]);
});

test('a job that is done with leaves its id, and nothing of what was in it', async () => {
  const redis = new Redis(testRedisUrl());
  after(() => redis.disconnect());
  const kept = async (name: string, id: string) => redis.hgetall(`{${prefix}queue}:${name}:${id}`);
  for (const [name, isLost] of [
    ['forgotten', false],
    ['given-up', true],
  ] as const) {
    const tries: string[] = [];
    const queue = one.create<Work>(name, options);
    queue.consume(async (data, { forget }) => {
      tries.push(data.name);
      await forget();
      if (isLost) throw new PermanentJobError('never');
    });
    const id = randomText(8);
    await queue.add(id, { name: 'An' });
    assert.ok(await becomesTrue(async () => 'finishedOn' in (await kept(name, id)), PATIENCE));
    assert.equal((await kept(name, id)).data, '{}');
    await queue.add(id, { name: 'An' });
    await queue.add(randomText(8), { name: 'Binh' });
    assert.ok(await becomesTrue(() => tries.includes('Binh'), PATIENCE));
    assert.deepEqual(tries, ['An', 'Binh']);
  }
});

test('a job that fails for good is not tried again', async () => {
  const tries: string[] = [];
  const queue = one.create<Work>('permanent', options);
  queue.consume(async ({ name }) => {
    tries.push(name);
    if (name === 'bad') throw new PermanentJobError('never');
  });
  await queue.add(randomText(8), { name: 'bad' });
  assert.ok(await becomesTrue(() => tries.length === 1, PATIENCE));
  // Jobs come in order: after three more, a second try would have been due long since.
  for (const name of ['a', 'b', 'c']) await queue.add(randomText(8), { name });
  assert.ok(await becomesTrue(() => tries.length >= 4, PATIENCE));
  assert.deepEqual(tries, ['bad', 'a', 'b', 'c']);
});

test('an id that is there already is not added again; of two processes one does the job', async () => {
  const done: string[] = [];
  const queues = [one, two].map((queues) => queues.create<Work>('same', options));
  const id = randomText(8);
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => queues[n % 2]?.add(id, { name: `copy ${n}` })),
  );
  await queues[0]?.add(randomText(8), { name: 'last' });
  for (const queue of queues) queue.consume(async ({ name }) => void done.push(name));
  assert.ok(await becomesTrue(() => done.includes('last') && done.length >= 2, PATIENCE));
  assert.equal(done.length, 2);
  await queues[1]?.add(id, { name: 'again' });
  await queues[1]?.add(randomText(8), { name: 'end' });
  assert.ok(await becomesTrue(() => done.includes('end'), PATIENCE));
  assert.ok(!done.includes('again'), 'remembered while it is kept for a look');
});

test('a recorded job leaves no trace, done or failed: its id may be added again', async () => {
  const tries: string[] = [];
  const queue = one.create<Work>('recorded', { ...options, isRecorded: true });
  queue.consume(async ({ name }) => {
    tries.push(name);
    if (name === 'bad') throw new PermanentJobError('never');
  });
  for (const name of ['good', 'bad']) {
    const id = randomText(8);
    const count = () => tries.filter((one) => one === name).length;
    const addUntil = (times: number) =>
      becomesTrue(async () => {
        await queue.add(id, { name });
        return count() >= times;
      }, PATIENCE);
    assert.ok(await addUntil(1), name);
    assert.ok(await addUntil(2), `${name} again`);
  }
});

test('closing waits for the job under way', async () => {
  const queues = createQueues({ url: testRedisUrl(), prefix, log });
  const queue = queues.create<Work>('closing', options);
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let isDone = false;
  queue.consume(async () => {
    begun.resolve();
    await released.promise;
    isDone = true;
  });
  await queue.add(randomText(8), { name: 'An' });
  await begun.promise;
  const closed = queues.close();
  released.resolve();
  await closed;
  assert.ok(isDone);
});

/** A door to Redis that can be shut: then connections are cut and refused, or taken and left alone. */
async function startDoor() {
  const { hostname, port, password, pathname } = new URL(testRedisUrl());
  const sockets = new Set<Socket>();
  let mode: 'open' | 'shut' | 'silent' = 'open';
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    if (mode === 'shut') return socket.destroy();
    if (mode === 'silent') return;
    const redis = connectTcp(Number(port), hostname);
    sockets.add(redis);
    redis.on('error', () => {}).on('close', () => socket.destroy());
    socket.on('close', () => redis.destroy());
    socket.pipe(redis).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const set = (next: typeof mode) => {
    mode = next;
    for (const socket of sockets) socket.destroy();
  };
  after(() => {
    set('shut');
    server.close();
  });
  const address = server.address();
  const own = typeof address === 'object' ? address?.port : 0;
  return { url: `redis://:${password}@127.0.0.1:${own}${pathname}`, set };
}

for (const mode of ['shut', 'silent'] as const) {
  test(`while Redis is ${mode}, adding fails soon; consumers go on by themselves after it`, async () => {
    const door = await startDoor();
    const queues = createQueues({ url: door.url, prefix, log });
    const name = `outage-${mode}`;
    const queue = queues.create<Work>(name, options);
    const done: string[] = [];
    queue.consume(async (data) => void done.push(data.name));
    await queue.add(randomText(8), { name: 'before' });
    assert.ok(await becomesTrue(() => done.length === 1, PATIENCE));
    door.set(mode);
    await assert.rejects(queue.add(randomText(8), { name: 'lost' }));
    door.set('open');
    const isBack = () =>
      queue.add(randomText(8), { name: 'after' }).then(
        () => true,
        () => false,
      );
    assert.ok(await becomesTrue(isBack, PATIENCE));
    assert.ok(await becomesTrue(() => done.includes('after'), PATIENCE));
    await queues.close();
  });
}

test('a process that starts while Redis is away fails to add, and closes', async () => {
  const door = await startDoor();
  door.set('shut');
  const queues = createQueues({ url: door.url, prefix, log });
  const queue = queues.create<Work>('never', options);
  await assert.rejects(queue.add(randomText(8), { name: 'An' }));
  await queues.close();
});
