import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as openid from 'openid-client';
import { discover } from '../helpers/openid.ts';
import { startSite } from '../helpers/site.ts';
import {
  answerMail,
  askCiba,
  createCibaWorld,
  headingOf,
  pollCiba,
  seedCibaClient,
} from './ciba-support.ts';
import { becomesTrue } from './support.ts';

interface Ping {
  authorization: string | undefined;
  type: string | undefined;
  body: string;
}

/** The endpoint of a client: keeps what it is told, and answers with `statuses` first, then 204. */
async function createEndpoint() {
  const site = await startSite();
  const pings: Ping[] = [];
  const statuses: number[] = [];
  const url = site.on('/ciba', async (request, response) => {
    const { authorization, 'content-type': type } = request.headers;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    pings.push({ authorization, type, body: Buffer.concat(chunks).toString() });
    response.writeHead(statuses.shift() ?? 204).end();
  });
  return {
    ...site,
    url,
    pings,
    statuses,
    /** Waits until so many pings have come, and takes them. @throws when they do not */
    async take(count: number): Promise<Ping[]> {
      assert.ok(await becomesTrue(() => pings.length >= count, 30_000), 'no ping came');
      return pings.splice(0);
    },
  };
}

const endpoint = await createEndpoint();
const inner = await createEndpoint();
const world = await createCibaWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: endpoint.host },
  overrides: { outbound: { ca: [...endpoint.ca, ...inner.ca] } },
});
const { url, people, deps } = world;
const hint = { login_hint: people.user.email };

const seedPinged = (notify: string) =>
  seedCibaClient(world, {
    metadata: {
      backchannel_token_delivery_mode: 'ping',
      backchannel_client_notification_endpoint: notify,
    },
  });

async function results(): Promise<string[]> {
  const text = await deps.metrics.renderMetrics();
  return text.split('\n').filter((line) => line.startsWith('auth_ciba_ping_total{'));
}

const isCounted = (line: RegExp): Promise<boolean> =>
  becomesTrue(async () => (await results()).some((one) => line.test(one)), 30_000);

test('a client is pinged with its own token when its person has answered (CIBA Core 10.2)', async () => {
  const client = await seedPinged(endpoint.url);
  const configuration = await discover(url, client);
  const started = await openid.initiateBackchannelAuthentication(configuration, {
    scope: 'openid',
    ...hint,
    client_notification_token: 'a-token-of-the-client.0123456789',
  });
  await answerMail(world, 'allow');
  const [ping] = await endpoint.take(1);
  assert.equal(ping?.authorization, 'Bearer a-token-of-the-client.0123456789');
  assert.match(ping?.type ?? '', /^application\/json/);
  assert.deepEqual(JSON.parse(ping?.body ?? ''), { auth_req_id: started.auth_req_id });
  const { body } = await pollCiba(url, client, started.auth_req_id);
  assert.ok(body.access_token);
});

test('a denial is pinged as well; what went wrong is told at the token endpoint', async () => {
  const client = await seedPinged(endpoint.url);
  const { body } = await askCiba(url, client, { ...hint, client_notification_token: 'abc' });
  await answerMail(world, 'deny');
  await endpoint.take(1);
  const answer = await pollCiba(url, client, String(body.auth_req_id));
  assert.equal(answer.body.error, 'access_denied');
});

test('a client that is down is asked again, and the person notices nothing', async () => {
  endpoint.statuses.push(500);
  const client = await seedPinged(endpoint.url);
  await askCiba(url, client, { ...hint, client_notification_token: 'abc' });
  const end = await answerMail(world, 'allow');
  assert.equal(headingOf(end), 'You allowed the sign-in');
  const [first, second] = await endpoint.take(2);
  assert.equal(first?.body, second?.body);
});

test('a client that says no is not asked again', async () => {
  endpoint.statuses.push(401);
  const client = await seedPinged(endpoint.url);
  await askCiba(url, client, { ...hint, client_notification_token: 'abc' });
  await answerMail(world, 'allow');
  assert.ok(await isCounted(/result="failed"\} 1/));
  assert.equal(endpoint.pings.splice(0).length, 1);
});

test('an address within the network is not asked, and the person notices nothing (ASVS 13.2.4)', async () => {
  const client = await seedPinged(inner.url);
  const { body } = await askCiba(url, client, { ...hint, client_notification_token: 'abc' });
  const end = await answerMail(world, 'allow');
  assert.equal(headingOf(end), 'You allowed the sign-in');
  assert.ok(await isCounted(/result="failed"\} 2/));
  assert.equal(inner.pings.length, 0);
  assert.equal((await pollCiba(url, client, String(body.auth_req_id))).status, 200);
});

test('ping mode needs a notification token that is a bearer token (CIBA Core 7.1)', async () => {
  const client = await seedPinged(endpoint.url);
  for (const token of ['', 'with space', 'x'.repeat(1_025)]) {
    const form = { ...hint, ...(token ? { client_notification_token: token } : {}) };
    assert.equal((await askCiba(url, client, form)).body.error, 'invalid_request', token);
  }
});
