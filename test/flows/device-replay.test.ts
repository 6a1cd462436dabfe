import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../helpers/clock.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { answerDevice, pollDevice, seedDeviceClient, startDevice } from './device-support.ts';
import { createWorld, introspect } from './support.ts';

/** The stores note a use by this clock, the engine judges it by its own: a minute lies between. */
const world = await createWorld({ overrides: { clock: createFakeClock(Date.now() - 60_000) } });
const { url, people } = world;
const client = await seedDeviceClient(world);

test('a device code that comes again later ends what its first use gave', async () => {
  const { user_code, device_code } = await startDevice(url, client);
  const agent = createUserAgent(url);
  await agent.submit(await answerDevice(agent, user_code, 'confirm'), '/sign-in', {
    identifier: people.user.email,
    password: people.user.password,
  });
  const first = await pollDevice(url, client, device_code);
  assert.equal(first.status, 200);
  const token = String(first.body.access_token);
  assert.equal((await introspect(url, client, token)).body.active, true);
  const again = await pollDevice(url, client, device_code);
  assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant']);
  assert.equal((await introspect(url, client, token)).body.active, false);
});
