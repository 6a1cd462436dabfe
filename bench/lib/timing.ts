import { type Stores, startGatehouse } from './contestants.ts';
import { expectStatus, postJson } from './flows.ts';
import { type Connection, openConnection } from './http.ts';
import { nth } from './parts.ts';
import { median, quantile } from './stats.ts';
import { PASSWORD } from './world.ts';

/** How long refused sign-ins of one kind took, in milliseconds. */
export interface Timing {
  kind: string;
  median: number;
  /** The middle half lies between these. */
  quarters: [number, number];
  /** Of its median from that of the kind it must not be told from, as a share; NaN for that one. */
  deviation: number;
}

/** A refused sign-in that must not be told from another by its time. */
interface Kind {
  name: string;
  /** The kind that it must not be told from. */
  like: string;
  status: 401 | 423;
  attempt(index: number): { identifier: string; password: string };
}

/** Failures that close an account. */
const TRIES = 10;

const WRONG = 'a wrong password';

const CLOSED_STRANGER = 'closed-stranger@bench.example';

function kindsOf({ people, suspended, closed }: Stores['world']): Kind[] {
  const wrong = (identifier: string) => ({ identifier, password: WRONG });
  return [
    {
      name: 'wrong password',
      like: 'wrong password',
      status: 401,
      attempt: (index) => wrong(nth(people, index).email),
    },
    {
      name: 'unknown identifier',
      like: 'wrong password',
      status: 401,
      attempt: (index) => wrong(`stranger${index}@bench.example`),
    },
    {
      name: 'suspended, right password',
      like: 'wrong password',
      status: 401,
      attempt: (index) => ({ identifier: nth(suspended, index).email, password: PASSWORD }),
    },
    {
      name: 'locked, known',
      like: 'wrong password',
      status: 423,
      attempt: () => ({ identifier: closed.email, password: PASSWORD }),
    },
    {
      name: 'locked, unknown',
      like: 'wrong password',
      status: 423,
      attempt: () => wrong(CLOSED_STRANGER),
    },
  ];
}

/** In any order: what one request leaves to be done behind it must not fall to one kind only. */
const shuffled = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);

/** One sign-in by the JSON API. @returns milliseconds to the answer */
async function time(connection: Connection, kind: Kind, index: number): Promise<number> {
  const request = postJson('/api/v1/auth/login', kind.attempt(index));
  const begin = performance.now();
  const answer = await connection.send(request);
  const took = performance.now() - begin;
  expectStatus(answer, kind.status);
  return took;
}

async function close(connection: Connection, identifiers: string[]): Promise<void> {
  for (const identifier of identifiers) {
    for (let i = 0; i < TRIES; i += 1) {
      const request = postJson('/api/v1/auth/login', { identifier, password: WRONG });
      expectStatus(await connection.send(request), 401);
    }
  }
}

function summarise(kind: Kind, times: ReadonlyMap<string, number[]>): Timing {
  const own = times.get(kind.name) ?? [];
  const sorted = Float64Array.from(own).sort();
  const base = median(times.get(kind.like) ?? []);
  return {
    kind: kind.name,
    median: median(own),
    quarters: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
    deviation: kind.name === kind.like ? Number.NaN : median(own) / base - 1,
  };
}

/**
 * Times refused sign-ins, `count` of each kind, one after the other in rounds of
 * any order, so that a machine that slows down does so for all kinds. Who was asked about must
 * not be told by it (ASVS 6.3.8).
 */
export async function measureTiming(stores: Stores, count: number): Promise<Timing[]> {
  const contestant = await startGatehouse(stores, { alg: 'RS256', format: 'jwt' }, 1);
  const connection = await openConnection(contestant.port);
  const kinds = kindsOf(stores.world);
  const times = new Map<string, number[]>(kinds.map(({ name }) => [name, []]));
  try {
    await close(connection, [stores.world.closed.email, CLOSED_STRANGER]);
    for (let index = 0; index < count; index += 1) {
      for (const kind of shuffled(kinds)) {
        times.get(kind.name)?.push(await time(connection, kind, index));
      }
    }
    return kinds.map((kind) => summarise(kind, times));
  } finally {
    connection.close();
    await contestant.stop();
  }
}
