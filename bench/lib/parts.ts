import type { Contestant } from './contestants.ts';
import {
  authorize,
  basicAuth,
  exchangeCode,
  expectStatus,
  finishSignIn,
  get,
  isSomewhereNew,
  type Jar,
  post,
  refresh,
  type StartedSignIn,
  startSignIn,
  submitPassword,
  type Tokens,
} from './flows.ts';
import { openConnection } from './http.ts';
import { CONNECTIONS, forEachOf, type Unit } from './load.ts';
import type { BenchClient, World } from './world.ts';

/** Tokens that the look-ups go round: a resource server asks about the same few again and again. */
const LOOKED_UP = 256;

/** Work that is prepared for each second of a run whose units use something up. */
const PREPARED_PER_SECOND = 400;

/** Sign-ins that are prepared for each second: more than argon2id allows on many cores. */
const SIGN_INS_PER_SECOND = 60;

/** What scenarios know while they prepare. */
export interface Bench {
  world: World;
  /** Browsers that are signed in at this contestant, one for each connection. */
  sessions(contestant: Contestant): Promise<Jar[]>;
}

/** One contestant's part in a scenario. */
export interface Part {
  /** Makes what a run of so many seconds will use up. */
  refill?(seconds: number): Promise<void>;
  /** Begins other work that goes on beside a run. @returns how to end it */
  beside?(): Promise<() => Promise<void>>;
  unit: Unit;
}

/** @throws when there is none: the seed made them */
export function nth<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  if (item === undefined) throw new Error('there is nothing to take from');
  return item;
}

const clientOf = ({ world }: Bench, worker: number): BenchClient => nth(world.clients, worker);

/** The same request again and again, one for each connection. */
export function repeat(makeRequest: (worker: number) => string): Part {
  const requests = Array.from({ length: CONNECTIONS }, (_, worker) => makeRequest(worker));
  return {
    async unit(worker, connection) {
      expectStatus(await connection.send(nth(requests, worker)), 200);
      return undefined;
    },
  };
}

export const clientCredentials = (bench: Bench): Part =>
  repeat((worker) => {
    const auth = basicAuth(clientOf(bench, worker));
    return post(worker, '/token', { grant_type: 'client_credentials' }, auth);
  });

export async function codeFlow(bench: Bench, contestant: Contestant): Promise<Part> {
  const jars = await bench.sessions(contestant);
  return {
    async unit(worker, connection) {
      const client = clientOf(bench, worker);
      const code = await authorize(connection, worker, client, nth(jars, worker));
      await exchangeCode(connection, worker, client, code);
      return undefined;
    },
  };
}

export async function codeExchange(bench: Bench, contestant: Contestant): Promise<Part> {
  const jars = await bench.sessions(contestant);
  let codes: { code: string; owner: number }[] = [];
  return {
    async refill(seconds) {
      codes = [];
      const count = Math.ceil(seconds * PREPARED_PER_SECOND);
      await forEachOf(contestant.port, count, async (index, connection) => {
        const owner = index % CONNECTIONS;
        const jar: Jar = new Map(nth(jars, owner));
        const code = await authorize(connection, owner, clientOf(bench, owner), jar);
        codes.push({ code, owner });
      });
    },
    async unit(_worker, connection) {
      const next = codes.pop();
      if (!next) return false;
      await exchangeCode(connection, next.owner, clientOf(bench, next.owner), next.code);
      return undefined;
    },
  };
}

/** Tokens of so many code flows, spread over the browsers. */
async function collectTokens(bench: Bench, contestant: Contestant, count: number) {
  const jars = await bench.sessions(contestant);
  const tokens: Tokens[] = [];
  await forEachOf(contestant.port, count, async (index, connection) => {
    const owner = index % CONNECTIONS;
    const client = clientOf(bench, owner);
    const jar: Jar = new Map(nth(jars, owner));
    const code = await authorize(connection, owner, client, jar);
    tokens[index] = await exchangeCode(connection, owner, client, code);
  });
  return tokens;
}

export async function refreshing(bench: Bench, contestant: Contestant): Promise<Part> {
  const held = (await collectTokens(bench, contestant, CONNECTIONS)).map((t) => t.refresh_token);
  return {
    async unit(worker, connection) {
      const token = nth(held, worker);
      const tokens = await refresh(connection, worker, clientOf(bench, worker), token);
      if (tokens.refresh_token === token) throw new Error('the refresh token did not rotate');
      held[worker] = tokens.refresh_token;
      return undefined;
    },
  };
}

/** Requests that go round many tokens; each answer must hold `proof`. */
async function lookUps(
  bench: Bench,
  contestant: Contestant,
  toRequest: (token: string, owner: number) => string,
  proof: string,
): Promise<Part> {
  const tokens = await collectTokens(bench, contestant, LOOKED_UP);
  const requests = tokens.map((token, index) => toRequest(token.access_token, index % CONNECTIONS));
  let next = 0;
  return {
    async unit(_worker, connection) {
      const answer = await connection.send(nth(requests, next++));
      if (!expectStatus(answer, 200).body.includes(proof)) throw new Error(`no ${proof}`);
      return undefined;
    },
  };
}

export const introspection = (bench: Bench, contestant: Contestant): Promise<Part> =>
  lookUps(
    bench,
    contestant,
    (token, owner) => post(owner, '/introspect', { token }, basicAuth(clientOf(bench, owner))),
    '"active":true',
  );

export const userinfo = (bench: Bench, contestant: Contestant): Promise<Part> =>
  lookUps(
    bench,
    contestant,
    (token, owner) => get(owner, '/userinfo', `Authorization: Bearer ${token}\r\n`),
    '"email_verified":true',
  );

/** The whole of a sign-in: request, page, password, code. */
export async function signIn(bench: Bench): Promise<Part> {
  return {
    async unit(worker, connection) {
      const person = nth(bench.world.people, worker);
      const started = await startSignIn(connection, worker, clientOf(bench, worker), person);
      await submitPassword(connection, worker, started, person);
      await finishSignIn(connection, worker, started);
      return undefined;
    },
  };
}

/** What an account knows a browser by. */
const DEVICE_COOKIE = '__Host-gh_device';

/** The password alone: the pages before it were shown already. */
export async function passwordCheck(bench: Bench, contestant: Contestant): Promise<Part> {
  const waiting: StartedSignIn[][] = Array.from({ length: CONNECTIONS }, () => []);
  // By person: what the browser is known by that was last signed in with.
  const devices = new Map<number, string>();
  return {
    async refill(seconds) {
      for (const list of waiting) list.length = 0;
      const count = Math.ceil(seconds * SIGN_INS_PER_SECOND);
      await forEachOf(contestant.port, count, async (index, connection) => {
        const owner = index % CONNECTIONS;
        const person = nth(bench.world.people, owner);
        const started = await startSignIn(connection, owner, clientOf(bench, owner), person);
        waiting[owner]?.push(started);
      });
    },
    async unit(worker, connection) {
      const started = waiting[worker]?.pop();
      if (!started) return false;
      const device = isSomewhereNew() ? undefined : devices.get(worker);
      if (device !== undefined) started.jar.set(DEVICE_COOKIE, device);
      await submitPassword(connection, worker, started, nth(bench.world.people, worker));
      const given = started.jar.get(DEVICE_COOKIE);
      if (given !== undefined) devices.set(worker, given);
      return undefined;
    },
  };
}

/** Signs a browser in for each connection. */
export async function signInAll(world: World, port: number): Promise<Jar[]> {
  return Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, worker) => {
      const connection = await openConnection(port);
      try {
        const person = nth(world.people, worker);
        const started = await startSignIn(connection, worker, nth(world.clients, worker), person);
        await submitPassword(connection, worker, started, person);
        await finishSignIn(connection, worker, started);
        return started.jar;
      } finally {
        connection.close();
      }
    }),
  );
}
