import assert from 'node:assert/strict';
import { test } from 'node:test';
import asyncApi from '@asyncapi/specs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { asyncApiDocument } from '../src/async-document.ts';
import { EVENTS } from '../src/events.ts';
import { createOutboxRelay } from '../src/features/outbox/index.ts';
import { envelopeOf, toCloudEvent } from '../src/kernel/cloud-events.ts';
import type { PublishedEvent } from '../src/kernel/events.ts';
import { createWorld, getJson, refresh, signInForTokens } from './flows/support.ts';

const ISSUER = 'https://id.example.com';

interface Message {
  payload: object;
  examples: { payload: Record<string, unknown> }[];
}
interface Document {
  channels: Record<string, { address: string }>;
  operations: Record<string, unknown>;
  components: { messages: Record<string, Message>; schemas: Record<string, object> };
}

const document = asyncApiDocument(EVENTS, ISSUER) as unknown as Document;

// Draft 7 throughout (AsyncAPI 3.0, schema object); formats of that document are checked.
const createAjv = () => addFormats.default(new Ajv({ strict: false, allErrors: true }));

/** What a reader checks an event of a type by: the document alone. */
const readers = createAjv();
readers.addSchema(document, 'asyncapi');
const validatorOf = (type: string) => {
  const pointer = `asyncapi#/components/messages/${type}/payload`;
  const validate = readers.getSchema(pointer);
  assert.ok(validate, type);
  return (value: unknown): string => {
    validate(value);
    return JSON.stringify(validate.errors ?? null);
  };
};

test('the AsyncAPI document is valid by the schema of AsyncAPI 3.0', () => {
  const ajv = createAjv();
  const validate = ajv.compile(asyncApi.schemasWithoutId['3.0.0'] as object);
  assert.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 5)));
  assert.doesNotMatch(JSON.stringify(document), /\$defs/, 'every reference is one of the document');
});

test('every declared type has a channel, an operation and an example that its schemas take', () => {
  const types = EVENTS.map(({ type }) => type);
  assert.equal(new Set(types).size, types.length, 'no type is declared twice');
  assert.deepEqual(Object.keys(document.channels), types);
  assert.deepEqual(Object.keys(document.operations), types);
  for (const event of EVENTS) {
    const { type } = event;
    assert.equal(document.channels[type]?.address, type);
    const example = document.components.messages[type]?.examples[0]?.payload;
    assert.equal(validatorOf(type)(example), 'null', type);
    envelopeOf(event).parse(example);
  }
});

test('a schema refuses an envelope of another type, and one without what CloudEvents 1.0 requires', () => {
  const [one, two] = EVENTS.map(({ type }) => type);
  const example = document.components.messages[one ?? '']?.examples[0]?.payload ?? {};
  const validate = validatorOf(one ?? '');
  assert.notEqual(validate({ ...example, type: two }), 'null');
  for (const attribute of ['specversion', 'id', 'source', 'type', 'subject', 'time', 'data']) {
    const { [attribute]: _, ...rest } = example;
    assert.notEqual(validate(rest), 'null', attribute);
  }
  assert.equal(
    validate({ ...example, more: 1, data: { ...(example.data as object), more: 1 } }),
    'null',
    'may gain members',
  );
});

test('what a sign-in and a stolen refresh token emit are envelopes as documented, with what is not known left out', async () => {
  const world = await createWorld();
  const { deps, url, client, config } = world;
  const got: PublishedEvent[] = [];
  const relay = createOutboxRelay({
    knex: deps.postgres.knex,
    pool: deps.postgres.pool,
    clock: deps.clock,
    sinks: [{ name: 'reader', publish: async (events) => void got.push(...events) }],
  });
  const { refreshToken } = await signInForTokens(world);
  await refresh(url, client, refreshToken);
  await refresh(url, client, refreshToken);
  await relay.drain();
  const types = new Set(got.map(({ type }) => type));
  for (const type of ['user.registered', 'user.logged_in', 'session.revoked']) {
    assert.ok(types.has(`identity.${type}.v1`), type);
  }
  for (const event of got) {
    const envelope = toCloudEvent(event, config.ISSUER);
    assert.equal(validatorOf(event.type)(envelope), 'null', event.type);
    assert.ok(Object.values(envelope).every((value) => value !== null));
  }
  const served = await getJson(`${url}/asyncapi.json`);
  assert.equal(served.status, 200);
  assert.deepEqual(
    served.body,
    JSON.parse(JSON.stringify(asyncApiDocument(EVENTS, config.ISSUER))),
  );
  const alias = await getJson(`${url}/v1/api/identity/doc/asyncapi.json`);
  assert.deepEqual(alias.body, served.body);
});
