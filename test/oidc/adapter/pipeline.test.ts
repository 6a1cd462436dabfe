import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createPipeline } from '../../../src/oidc/adapter/index.ts';
import { createDatabase, onServer } from '../../helpers/database.ts';

const url = await createDatabase();
const seen: Error[] = [];
const { reads, writes, close } = createPipeline({
  url,
  connectTimeout: 5_000,
  statementTimeout: 300,
  onError: (error) => seen.push(error),
});
after(close);

const echo = (value: number) => ({
  name: 'echo',
  text: 'SELECT $1::int AS value',
  values: [value],
});
const sleep = { name: 'sleep', text: 'SELECT pg_sleep($1)', values: [5] };

describe('pipelined connections', () => {
  it('give each of many statements at once its own answer', async () => {
    const values = Array.from({ length: 1_000 }, (_, index) => index);
    const results = await Promise.all(
      values.map((value) => (value % 2 ? reads : writes).query<{ value: number }>(echo(value))),
    );
    assert.deepEqual(
      results.map(({ rows }) => rows[0]?.value),
      values,
    );
  });

  it('fail a statement alone: those before and after it on the wire succeed', async () => {
    const wrong = { name: 'wrong', text: 'SELECT 1 / $1::int AS value', values: [0] };
    const [before, failed, following] = await Promise.allSettled([
      reads.query(echo(1)),
      reads.query(wrong),
      reads.query(echo(2)),
    ]);
    assert.deepEqual(
      [before.status, failed.status, following.status],
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });

  it('end a statement that takes too long, and go on', async () => {
    await assert.rejects(reads.query(sleep), { code: '57014' });
    assert.equal((await reads.query<{ value: number }>(echo(3))).rows[0]?.value, 3);
  });

  it('open again after the server has cut them, failing only what was under way', async () => {
    const pending = assert.rejects(reads.query(sleep));
    await reads.query(echo(0)).catch(() => undefined);
    const name = new URL(url).pathname.slice(1);
    await onServer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
    );
    await pending;
    // What is sent before the loss is noticed fails too.
    let answer: number | undefined;
    for (let tries = 0; answer === undefined && tries < 100; tries += 1) {
      const result = await reads.query<{ value: number }>(echo(4)).catch(() => undefined);
      answer = result?.rows[0]?.value;
      if (!result) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(answer, 4);
    assert.ok(seen.length > 0);
  });

  it('say so at once when there is no server', async () => {
    const nowhere = createPipeline({
      url: 'postgres://nobody@127.0.0.1:1/none',
      connectTimeout: 500,
      statementTimeout: 500,
      onError: () => undefined,
    });
    await assert.rejects(nowhere.reads.query(echo(1)));
    await assert.rejects(nowhere.reads.query(echo(1)));
    await nowhere.close();
  });
});
