import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from './contestants.ts';
import { addressOf, expectStatus, get, postJson } from './flows.ts';
import { type Connection, openConnection } from './http.ts';
import { CONNECTIONS } from './load.ts';
import { type Bench, nth, type Part, refreshing } from './parts.ts';
import { PASSWORD } from './world.ts';

/** Milliseconds between two looks of one visitor at the JWKS while others sign in. */
const LOOK_EVERY = 50;

/** Sign-ins under way at once beside them: more than are hashed at once. */
const SIGN_INS = 16;

/** Signs a person in by the JSON API. @returns the refresh token */
async function login(bench: Bench, worker: number, connection: Connection): Promise<string> {
  const { email: identifier } = nth(bench.world.people, worker);
  const credentials = { identifier, password: PASSWORD };
  const request = postJson('/api/v1/auth/login', credentials, addressOf(worker));
  const { body } = expectStatus(await connection.send(request), 200);
  return (JSON.parse(body.toString()) as { refreshToken: string }).refreshToken;
}

export const apiLogin = async (bench: Bench): Promise<Part> => ({
  async unit(worker, connection) {
    await login(bench, worker, connection);
    return undefined;
  },
});

/** Refreshes by the JSON API; the bare engine has its token endpoint only. */
export async function apiRefresh(bench: Bench, contestant: Contestant): Promise<Part> {
  if (contestant.name === 'bare') return refreshing(bench, contestant);
  const held: string[] = [];
  return {
    async unit(worker, connection) {
      const refreshToken = held[worker] ?? (await login(bench, worker, connection));
      const request = postJson('/api/v1/auth/refresh', { refreshToken });
      const { body } = expectStatus(await connection.send(request), 200);
      held[worker] = (JSON.parse(body.toString()) as { refreshToken: string }).refreshToken;
      return undefined;
    },
  };
}

/** Signs people in, as many as the hashers take, until it is told to stop. */
async function saturate(bench: Bench, port: number): Promise<() => Promise<void>> {
  let isOver = false;
  const visitors = Array.from({ length: SIGN_INS }, async (_, worker) => {
    const connection = await openConnection(port);
    while (!isOver) await login(bench, worker, connection);
    connection.close();
  });
  return async () => {
    isOver = true;
    await Promise.all(visitors);
  };
}

/** The JWKS as visitors who look now and then get it, while the hashers have no rest. */
export async function jwksBesideLogins(bench: Bench, { port }: Contestant): Promise<Part> {
  const requests = Array.from({ length: CONNECTIONS }, (_, worker) =>
    get(worker, '/.well-known/jwks.json'),
  );
  return {
    beside: () => saturate(bench, port),
    async unit(worker, connection) {
      await sleep(LOOK_EVERY);
      const begin = performance.now();
      expectStatus(await connection.send(nth(requests, worker)), 200);
      return performance.now() - begin;
    },
  };
}
