import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { Secret } from 'otpauth';
import { z } from 'zod';
import { EVENTS } from '../../src/events.ts';
import { SEALED_COLUMNS } from '../../src/infra/rewrap.ts';
import { startConsumers } from '../../src/jobs.ts';
import { addApp } from '../features/authenticators/support.ts';
import { testRedisUrl } from '../helpers/database.ts';
import { createQuietWorld, post } from './proof-support.ts';
import { becomesTrue, eventsOf, signInForTokens } from './support.ts';

const world = await createQuietWorld();
const { deps, mailbox, people, config } = world;
const { tenantId } = people;
const { knex } = deps.postgres;
const redis = new Redis(testRedisUrl());
after(() => redis.disconnect());

/** Values that occur nowhere else. */
const PERSON = {
  email: 'Zyxquark.One@vanish.example',
  phone: '+84907654321',
  username: 'zyxquark.user',
  name: 'Zyxquark Vanishing',
  givenName: 'Gzyxquark',
  familyName: 'Fzyxquark',
  zoneinfo: 'Antarctica/Vostok',
};
const AGENT = 'ZyxquarkBrowser/9.9';
const PASSWORD = 'a pass phrase of zebras 77';
const TRACES = ['zyxquark', '84907654321', 'antarctica/vostok'];

/** What a text, or what is sealed in it, still tells of the person. */
function tracesIn(text: string, where: string): string[] {
  const lower = text.toLowerCase();
  return [...TRACES, ...secrets].flatMap((trace) => {
    const forms = [trace, Buffer.from(trace).toString('hex')];
    return forms.some((form) => lower.includes(form)) ? [`${where}: ${trace}`] : [];
  });
}

function openAny(sealed: Buffer, names: readonly string[]): string {
  for (const name of names) {
    try {
      return deps.sealer.open(sealed, name).toString();
    } catch {
      // Sealed as something else.
    }
  }
  return '';
}

async function scanPostgres(): Promise<string[]> {
  const tables = await knex('information_schema.tables')
    .where({ table_schema: 'public', table_type: 'BASE TABLE' })
    .pluck('table_name');
  assert.ok(tables.length > 20);
  const found: string[] = [];
  for (const table of tables) {
    const { rows } = await knex.raw('SELECT t::text AS line FROM ?? t', [table]);
    for (const { line } of rows) found.push(...tracesIn(line, table));
  }
  for (const { table, column, name } of SEALED_COLUMNS) {
    const { rows } = await knex.raw(
      `SELECT ${column} AS sealed, ${name} AS name FROM ${table} WHERE length(${column}) > 0`,
    );
    for (const row of rows) {
      found.push(...tracesIn(openAny(row.sealed, [row.name]), `${table}.${column}, opened`));
    }
  }
  return found;
}

/** A value of Redis as text, of whatever type it is. */
async function textOf(key: string): Promise<string> {
  const type = await redis.type(key);
  if (type === 'string') return ((await redis.getBuffer(key)) ?? Buffer.of()).toString('latin1');
  if (type === 'hash') return JSON.stringify(await redis.hgetall(key));
  if (type === 'list') return JSON.stringify(await redis.lrange(key, 0, -1));
  if (type === 'set') return JSON.stringify(await redis.smembers(key));
  if (type === 'zset') return (await redis.zrange(key, '0', '-1')).join();
  return type === 'stream' ? JSON.stringify(await redis.xrange(key, '-', '+')) : '';
}

async function scanRedis(): Promise<string[]> {
  const keys = await redis.keys(`*${config.REDIS_PREFIX}*`);
  const found: string[] = [];
  for (const key of keys) {
    const value = await textOf(key);
    found.push(...tracesIn(`${key} ${value}`, key));
    for (const [, sealed = ''] of value.matchAll(/sealed\\*":\\*"([A-Za-z0-9+/=]+)/g)) {
      const opened = openAny(Buffer.from(sealed, 'base64'), ['mail', 'sms']);
      found.push(...tracesIn(opened, `${key}, opened`));
    }
  }
  return found;
}

const scan = async () => [...(await scanPostgres()), ...(await scanRedis())];

async function createPerson(): Promise<string> {
  await deps.tenants.updateSettings(tenantId, {
    userAttributes: { type: 'object', properties: { nickname: { type: 'string' } } },
  });
  const { id } = await deps.users.create(
    { tenantId, ...PERSON, emailVerified: true, attributes: { nickname: 'azyxquark' } },
    PASSWORD,
  );
  return id;
}

/** What opens the account beside its password: secrets that must not outlive it. */
let secrets: string[] = [];

async function leaveFactors(owner: { id: string; tenantId: string }): Promise<void> {
  const { secret } = await addApp(world, owner, 'Zyxquark phone');
  const codes = await deps.recoveryCodes.generate(owner);
  const unused = { name: 'Zyxquark tablet', issuerName: 'Lotus' };
  const pending = await deps.totp.enroll({ ...owner, label: PERSON.email }, unused);
  secrets = [
    ...[secret, pending.secret].flatMap((one) => {
      const seed = Buffer.from(Secret.fromBase32(one).bytes);
      return [seed.toString(), seed.toString('hex'), seed.toString('base64')];
    }),
    ...[secret, pending.secret, ...codes],
  ].map((one) => one.toLowerCase());
}

/** Does whatever leaves something behind. */
async function leaveTraces(userId: string): Promise<void> {
  await signInForTokens(world, { credentials: { identifier: PERSON.email, password: PASSWORD } });
  const headers = { 'content-type': 'application/json', 'user-agent': AGENT };
  for (const password of [PASSWORD, 'wrong']) {
    await fetch(`${world.url}/api/v1/auth/login`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ tenant: 'lotus', identifier: PERSON.username, password }),
    });
  }
  const tenant = 'lotus';
  await post(world, '/auth/password/forgot', { tenant, identifier: PERSON.email });
  await post(world, '/auth/verify-email/request', { tenant, email: PERSON.email });
  await knex('external_identities').insert({
    id: crypto.randomUUID(),
    tenant_id: tenantId,
    user_id: userId,
    issuer: 'https://idp.example',
    subject: 'zyxquark-subject',
    linked_by: 'administrator',
    created_at: new Date(),
  });
  await leaveFactors({ id: userId, tenantId });
  for (const id of ['waiting', 'again']) {
    await deps.messenger.send(`erasure-${id}`, {
      template: 'password-changed',
      to: PERSON.email,
      tenantId,
      locale: null,
      values: { name: PERSON.name, when: new Date().toISOString(), ip: '', agent: AGENT, link: '' },
      expiresAt: Date.now() + 3_600_000,
    });
  }
  await deps.outbox.drain();
}

test('after an erasure nothing of the person is found in any table, key or queue, nor sealed (GDPR 17)', async () => {
  const userId = await createPerson();
  await leaveTraces(userId);
  const before = await scan();
  for (const place of [
    ...['users', 'sessions', 'external_identities', 'opened'],
    ...['totp_authenticators:', 'totp_authenticators.seed_sealed, opened'],
  ]) {
    assert.ok(
      before.some((one) => one.includes(place)),
      `the scan must see ${place}: ${before.join('; ')}`,
    );
  }
  await deps.lifecycle.erase({ tenantId, userId });
  // All that is left is the mail that tells of it, which the queue holds sealed until it is sent.
  const waiting = (await scan()).filter((one) => !one.includes(`account-deleted-${userId}`));
  assert.deepEqual(waiting, []);

  startConsumers(deps);
  const mail = await mailbox.take(PERSON.email);
  assert.match(mail.subject, /deleted/);
  let left: string[] = [];
  const isGone = async () => {
    left = await scan();
    return left.length === 0;
  };
  assert.ok(await becomesTrue(isGone, 20_000), left.join('\n'));
  const others = mailbox.mails.filter(({ to }) => to.includes(PERSON.email));
  assert.equal(others.length, 1, 'no mail that waited is sent after the erasure');

  const tombstone = await knex('users').where({ id: userId }).first();
  assert.equal(tombstone.status, 'deactivated');
  assert.ok(tombstone.deactivated_at instanceof Date);
  for (const table of ['totp_authenticators', 'recovery_codes', 'webauthn_credentials']) {
    assert.deepEqual(await knex(table).where({ user_id: userId }), [], table);
  }
  const events = await eventsOf(deps, 'identity.user.deactivated.v1');
  assert.deepEqual(events.at(-1)?.data, { userId });
  // The address and names are free again.
  await createPerson();
});

test('who never proved an address is not written to, and a farewell that nobody completed is forgotten', async () => {
  const { id: userId } = await deps.users.create({ tenantId, email: 'unproved@vanish.example' });
  const send = deps.messenger.forget;
  deps.messenger.forget = () => Promise.reject(new Error('Redis is away'));
  try {
    await deps.lifecycle.erase({ tenantId, userId });
  } finally {
    deps.messenger.forget = send;
  }
  assert.equal((await knex('erasures').where({ user_id: userId })).length, 1);
  world.clock.advance(61_000);
  await deps.lifecycle.sweepErasures();
  assert.equal((await knex('erasures').where({ user_id: userId })).length, 0);
  assert.ok(!mailbox.mails.some(({ to }) => to.includes('unproved@vanish.example')));
});

/** Texts that an event may hold although they are neither ids nor from a fixed set. */
const FREE_TEXT = new Set([
  ...['clientId', 'issuer', 'changed', 'amr', 'status', 'scope', 'kid', 'alg'],
  ...['key', 'actors', 'audience'],
]);

test('no event has a place for an address, a number or a name', () => {
  const places: string[] = [];
  const walk = (schema: Record<string, unknown>, path: string[]): void => {
    const name = path.at(-1) ?? '';
    if (
      path.length > 1 &&
      /mail|phone|name|address|agent|^ip$|locale|birth|password$|secret|code$/i.test(name)
    ) {
      places.push(path.join('.'));
    }
    for (const key of ['properties'] as const) {
      for (const [member, value] of Object.entries((schema[key] ?? {}) as object)) {
        walk(value as Record<string, unknown>, [...path, member]);
      }
    }
    if (schema.items) walk(schema.items as Record<string, unknown>, path);
    for (const one of (schema.anyOf ?? []) as Record<string, unknown>[]) walk(one, path);
    const isOpen = schema.type === 'string' && !schema.enum && !schema.format && !schema.pattern;
    if (isOpen && schema.const === undefined && !FREE_TEXT.has(name)) places.push(path.join('.'));
  };
  for (const { type, data } of EVENTS) {
    walk(z.toJSONSchema(data, { unrepresentable: 'any' }) as Record<string, unknown>, [type]);
  }
  assert.deepEqual(places, []);
});
