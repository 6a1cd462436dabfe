import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCli, hasStack } from './harness.ts';

const cli = await createCli();
await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health']);
const run = (...args: string[]) => cli.run(['initial-access-tokens', ...args]);

interface Made {
  token: string;
  initialAccessToken: { id: string; maxUses: number; expiresAt: string; createdAt: string };
}

test('a token is made for one use within a day unless said otherwise, and shown once', async () => {
  const made = await run('create', '--tenant', 'lotus', '--json');
  assert.equal(made.code, 0, made.stderr);
  const { token, initialAccessToken } = made.json() as unknown as Made;
  assert.match(token, /^ghi_[\w-]{43}$/);
  assert.equal(initialAccessToken.maxUses, 1);
  const life = Date.parse(initialAccessToken.expiresAt) - Date.parse(initialAccessToken.createdAt);
  assert.equal(life, 24 * 3_600_000);
  const list = await run('list');
  assert.match(list.stdout, new RegExp(`${initialAccessToken.id} +live +0/1`));
  assert.ok(!list.all.includes(token));
  const kept = await cli.query('SELECT token_hash::text FROM initial_access_tokens');
  assert.ok(!JSON.stringify(kept).includes(token));
});

test('a token is ended by its tenant', async () => {
  const made = await run(
    ...['create', '--tenant', 'lotus', '--expires', '7d', '--max-uses', '5'],
    ...['--label', 'CI', '--json'],
  );
  const { id } = (made.json() as unknown as Made).initialAccessToken;
  assert.equal((await run('revoke', id, '--tenant', 'platform')).code, 1);
  assert.equal((await run('revoke', id, '--tenant', 'lotus')).code, 0);
  assert.match((await run('list', '--tenant', 'lotus')).stdout, new RegExp(`${id} +revoked +0/5`));
});

test('what is no length of time or no number is refused in words', async () => {
  for (const wrong of [
    ['--expires', 'soon'],
    ['--expires', '9999d'],
    ['--max-uses', 'many'],
    ['--max-uses', '0'],
  ]) {
    const answer = await run('create', '--tenant', 'lotus', ...wrong);
    assert.notEqual(answer.code, 0, wrong.join(' '));
    assert.ok(!hasStack(answer), answer.stderr);
  }
});
