import { type Adapter, errors, Provider } from 'oidc-provider';
import { AppError } from '../kernel/errors.ts';
import { isDependencyFailure } from '../kernel/http/index.ts';

/** Status of an answer that a retry may turn into a good one. */
const UNAVAILABLE = 503;

/** Whether an error says that a store is down. */
export const isUnavailable = (error: unknown): boolean =>
  isDependencyFailure(error) || (error instanceof AppError && error.status === UNAVAILABLE);

/**
 * Runs work of the engine's callbacks: a store that is down becomes the OAuth
 * error `temporarily_unavailable` with status 503, which the engine words for
 * the client, instead of a `server_error` that reads like a bug.
 */
export async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toProtocolError(error) ?? error;
  }
}

/** Whether this is an authorization request that may show no page (OpenID Connect Core 3.1.2.1). */
function isSilent(): boolean {
  const prompt = Provider.ctx?.oidc.params?.prompt;
  return typeof prompt === 'string' && prompt.split(' ').includes('none');
}

/** The OAuth error that this is or stands for; undefined when it is none. */
export function toProtocolError(error: unknown): errors.OIDCProviderError | undefined {
  if (error instanceof errors.OIDCProviderError) return error;
  if (!isUnavailable(error)) return undefined;
  const unavailable = new errors.TemporarilyUnavailable('a dependency is unavailable');
  return Object.assign(unavailable, {
    status: UNAVAILABLE,
    statusCode: UNAVAILABLE,
    // A person gets a page with that status; only a silent request is sent back to its client.
    allow_redirect: isSilent(),
    cause: error,
  });
}

/** The same for every method of the engine's storage. */
export const guardAdapters =
  (factory: (model: string) => Adapter): ((model: string) => Adapter) =>
  (model) => {
    const adapter = factory(model);
    return {
      upsert: (id, payload, expiresIn) =>
        orUnavailable(() => run(adapter.upsert(id, payload, expiresIn))),
      find: (id) => orUnavailable(() => run(adapter.find(id))),
      findByUid: (uid) => orUnavailable(() => run(adapter.findByUid(uid))),
      findByUserCode: (code) => orUnavailable(() => run(adapter.findByUserCode(code))),
      consume: (id) => orUnavailable(() => run(adapter.consume(id))),
      destroy: (id) => orUnavailable(() => run(adapter.destroy(id))),
      revokeByGrantId: (grantId) => orUnavailable(() => run(adapter.revokeByGrantId(grantId))),
    };
  };

const run = async <T>(result: T | PromiseLike<T>): Promise<T> => result;
