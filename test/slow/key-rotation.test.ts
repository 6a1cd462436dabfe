import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import pg from 'pg';
import { basic, introspect, postForm } from '../flows/support.ts';
import { freePort } from '../helpers/gatehouse.ts';
import { startProcess } from '../helpers/process.ts';
import { install } from './support.ts';

/**
 * Keys rotate by schedule, every twenty seconds here, while two processes issue
 * tokens and others verify them. No token may meet a verifier that cannot know
 * its key.
 */

const installation = await install('key-rotation', {
  JWKS_MAX_AGE: '3',
  KEY_ROTATION_INTERVAL: '20',
});
const { client, environment, url: issuer } = installation;
const port = String(await freePort());
const second = await startProcess({
  ...environment,
  PORT: port,
  ALLOWED_HOSTS: `localhost:${port}`,
});
after(async () => {
  second.kill('SIGKILL');
  await second.exited;
});
const urls = [issuer, second.url];

/** Three rotations: four keys that sign one after the other. */
const KEYS = 4;
const LIMIT = { timeout: 240_000 };
/** Milliseconds between two tokens of a process: the load leaves the machine its breath. */
const PACE = 20;

/** Checks tokens by a copy of the JWKS that it keeps for as long as it is told, and no less. */
function createVerifier(url: string) {
  let keys: ReturnType<typeof createLocalJWKSet> | undefined;
  let freshUntil = 0;
  let fetches = 0;
  return {
    fetches: () => fetches,
    async verify(token: string): Promise<void> {
      if (!keys || performance.now() >= freshUntil) {
        const asked = performance.now();
        const response = await fetch(`${url}/.well-known/jwks.json`);
        assert.equal(response.status, 200);
        const maxAge = /max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1];
        keys = createLocalJWKSet((await response.json()) as JSONWebKeySet);
        freshUntil = asked + Number(maxAge) * 1_000;
        fetches += 1;
      }
      await jwtVerify(token, keys, { issuer, typ: 'at+jwt' });
    },
  };
}

interface Load {
  issued: number;
  failures: string[];
  /** The first token of each key, in the order in which they came. */
  firstOf: Map<string, string>;
}

async function issue(url: string): Promise<string> {
  const form = { grant_type: 'client_credentials' };
  const { status, body } = await postForm(`${url}/token`, form, basic(client));
  assert.equal(status, 200, JSON.stringify(body));
  return String(body.access_token);
}

/** Issues at one process, verifies by copies of the JWKS of both, and asks the other itself. */
async function run(url: string, other: string, load: Load, isOver: () => boolean): Promise<void> {
  const verifiers = urls.map(createVerifier);
  while (!isOver()) {
    try {
      const token = await issue(url);
      load.issued += 1;
      const { kid = '' } = decodeProtectedHeader(token);
      if (!load.firstOf.has(kid)) load.firstOf.set(kid, token);
      for (const verifier of verifiers) await verifier.verify(token);
      const { status, body } = await introspect(other, client, token);
      assert.deepEqual([status, body.active], [200, true], 'the other process knows the key');
    } catch (error) {
      load.failures.push(String(error));
    }
    await new Promise((resolve) => setTimeout(resolve, PACE));
  }
  for (const verifier of verifiers) assert.ok(verifier.fetches() > KEYS, 'copies were renewed');
}

test(
  'three rotations under load, by two processes: no token that cannot be verified',
  LIMIT,
  async () => {
    const load: Load = { issued: 0, failures: [], firstOf: new Map() };
    const deadline = performance.now() + 200_000;
    const isOver = (): boolean =>
      load.firstOf.size >= KEYS || load.failures.length > 10 || performance.now() > deadline;
    await Promise.all(urls.map((url, i) => run(url, urls[1 - i] ?? '', load, isOver)));
    assert.deepEqual(load.failures, []);
    assert.ok(load.firstOf.size >= KEYS, `${load.firstOf.size} keys in ${load.issued} tokens`);
    assert.ok(load.issued > 500, `${load.issued} tokens`);

    const verifier = createVerifier(second.url);
    for (const token of load.firstOf.values()) await verifier.verify(token);

    const database = new pg.Client(environment.DATABASE_URL);
    await database.connect();
    const { rows: events } = await database.query(
      `SELECT data->>'kid' AS kid, data->>'previousKid' AS previous FROM outbox_events
      WHERE type = 'identity.jwks.rotated.v1' AND data->>'alg' = 'RS256' ORDER BY seq`,
    );
    const { rows: states } = await database.query(
      `SELECT alg, count(*)::int AS n FROM signing_keys WHERE state = 'current' GROUP BY alg`,
    );
    await database.end();
    const kids = [...load.firstOf.keys()];
    assert.deepEqual(
      events.slice(0, KEYS - 1),
      kids.slice(1, KEYS).map((kid, i) => ({ kid, previous: kids[i] })),
      'each took over from the one before, once',
    );
    assert.ok(states.every(({ n }) => n === 1) && states.length === 3);
  },
);
