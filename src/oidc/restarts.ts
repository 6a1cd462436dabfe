import type { Redis } from 'ioredis';
import type { Restart } from '../web/error-pages.ts';
import type { ClientDirectory } from './clients/documents.ts';

/** Seconds that an expired interaction can still be started again. */
const LIFETIME = 24 * 3_600;

/** Largest request that is kept, in characters of JSON. */
const LARGEST = 8_192;

type Params = Record<string, unknown>;

/**
 * Remembers the authorization request behind an interaction for longer than
 * the interaction lives. All in it came with the browser's own URL, so that a
 * person who returns to a dead page is given a link that works.
 */
export interface Restarts {
  /** @param request the path that took the request, and its parameters */
  remember(uid: string, request: { path: string; params: Params }): Promise<void>;
  /** The path that starts the same request again, with the tenant of its client; if remembered. */
  find(uid: string): Promise<Restart | undefined>;
}

/** What is kept of a request. */
interface Remembered {
  path: string;
  client_id: unknown;
}

const key = (uid: string): string => `restart:${uid}`;

/** A device's request did not come with the browser: its person types the code again. */
function toLink(path: string, params: Params): string {
  if (path !== '/authorize') return path;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null) query.append(name, String(item));
    }
  }
  return `${path}?${query}`;
}

/** @param clients tell whose a request was, so that its end looks like its beginning */
export function createRestarts(redis: Redis, clients: Pick<ClientDirectory, 'find'>): Restarts {
  /** A client that is gone or cannot be read costs the page its colour, not the way on. */
  async function findTenantId({ client_id: clientId }: Params): Promise<string | undefined> {
    if (typeof clientId !== 'string') return undefined;
    return (await clients.find(clientId).catch(() => undefined))?.tenantId;
  }

  return {
    async remember(uid, { path, params }) {
      const text = JSON.stringify({
        path: toLink(path, params),
        client_id: params.client_id,
      } satisfies Remembered);
      if (text.length <= LARGEST) await redis.set(key(uid), text, 'EX', LIFETIME);
    },
    async find(uid) {
      if (!/^[\w-]{1,64}$/.test(uid)) return undefined;
      const text = await redis.get(key(uid));
      if (!text) return undefined;
      const { path, client_id } = JSON.parse(text) as Remembered;
      return { path, tenantId: await findTenantId({ client_id }) };
    },
  };
}
