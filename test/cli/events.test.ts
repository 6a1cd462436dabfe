import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { seedPeople, startGatehouse } from '../helpers/gatehouse.ts';
import { createCli, hasStack } from './harness.ts';

const cli = await createCli();
const { deps } = await startGatehouse({ settings: cli.env });
const people = await seedPeople(deps);
await deps.outbox.drain();

interface Verified {
  isWhole: boolean;
  chains: { tenantId: string | null; broken: { position: number; fault: string } | null }[];
}

test('gatehouse audit verify says that every chain is whole, and its answer is a checkpoint', async () => {
  const result = await cli.run(['audit', 'verify', '--json']);
  assert.equal(result.code, 0, result.all);
  const { isWhole, chains } = result.json() as unknown as Verified;
  assert.equal(isWhole, true);
  assert.ok(chains.some(({ tenantId }) => tenantId === people.tenantId));
  const file = path.join(cli.dir, 'checkpoint.json');
  await writeFile(file, result.stdout);
  const again = await cli.run(['audit', 'verify', '--checkpoint', file]);
  assert.equal(again.code, 0, again.all);
});

test('a tampered entry is named, and the exit status is 1', async () => {
  await cli.query('ALTER TABLE audit_log DISABLE TRIGGER USER');
  await cli.query(
    `UPDATE audit_log SET actor_id = 'nobody' WHERE tenant_id = $1 AND position = 1`,
    [people.tenantId],
  );
  await cli.query('ALTER TABLE audit_log ENABLE TRIGGER USER');
  const [entry] = await cli.query(
    'SELECT id FROM audit_log WHERE tenant_id = $1 AND position = 1',
    [people.tenantId],
  );
  const result = await cli.run(['audit', 'verify', '--tenant', 'lotus']);
  assert.equal(result.code, 1);
  assert.match(result.stdout, new RegExp(`BROKEN: entry 1 \\(${String(entry?.id)}\\) was altered`));
  assert.ok(!hasStack(result));
});

test('gatehouse events lists what happened, tells the lag, and refuses to replay to nobody', async () => {
  const listed = await cli.run(['events', 'list', '--tenant', 'lotus', '--json']);
  const { events } = listed.json() as { events: { type: string; tenantId: string }[] };
  assert.ok(events.some(({ type }) => type === 'identity.user.registered.v1'));
  assert.ok(events.every(({ tenantId }) => tenantId === people.tenantId));
  const lag = await cli.run(['events', 'lag']);
  assert.match(lag.stdout, /New, taken by no worker yet: 0/);
  assert.match(lag.stdout, /^consumers +0/m);
  const bad = await cli.run(['events', 'replay', '--from', 'yesterday']);
  assert.equal(bad.code, 2);
  const nobody = await cli.run(['events', 'replay', '--from', '2026-01-01']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /no broker/);
  const other = await cli.run(['events', 'replay', '--from', '2026-01-01', '--sink', 'nats']);
  assert.match(other.stderr, /No worker has a sink "nats"/);
  const own = ['events', 'replay', '--from', '2026-01-01', '--sink', 'consumers', '--json'];
  const { events: count } = (await cli.run(own)).json();
  assert.ok(Number(count) > 0);
});
