import type { Redis } from 'ioredis';
import { type AdapterPayload, errors } from 'oidc-provider';
import type { Lookups } from '../../infra/lookups.ts';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { hashId, mayName, mayNameGrant } from './ids.ts';
import { type ModelAdapter, unsupported } from './model-adapter.ts';
import { toTtl, withScripts } from './redis-scripts.ts';
import { currentCache, noteProof, settle } from './request-cache.ts';

/** What differs between the short-lived models. */
interface Traits {
  /** Payloads that hold other bearer values (a cookie, a user code, a pushed request): sealed whole. */
  isSealed?: boolean;
  /** Belongs to a grant and goes with it. */
  isGranted?: boolean;
  /**
   * Seconds that it stays readable past `exp`, which the engine then checks
   * itself: it says `expired_token` (RFC 8628 3.5), and sees that a pushed request
   * was used by an interaction that took longer than the request lived.
   */
  retention?: number;
}

const TRAITS: Record<string, Traits> = {
  AccessToken: { isGranted: true },
  AuthorizationCode: { isGranted: true },
  BackchannelAuthenticationRequest: { isGranted: true, isSealed: true, retention: 300 },
  ClientCredentials: {},
  DeviceCode: { isGranted: true, isSealed: true, retention: 300 },
  Interaction: { isSealed: true },
  PreAuthorizedCode: { isGranted: true },
  PushedAuthorizationRequest: { isSealed: true, retention: 3_600 },
};

/** Names of the models that live in Redis as records. */
export const REDIS_MODELS: ReadonlySet<string> = new Set(Object.keys(TRAITS));

/**
 * Most members that a grant's set remembers. A token beyond it is not deleted
 * with its grant, but dead all the same: the engine looks for the grant.
 */
const MOST_MEMBERS = 5_000;

const membersKey = (grantId: string): string => `oidc:grant:{${grantId}}`;
const userCodeKey = (digest: string): string => `oidc:user-code:{${digest}}`;

/**
 * Short-lived artefacts. One hash per artefact: `p` its payload without the
 * bearer value, `c` when it was consumed; the key is made from the value's
 * SHA-256 and always has a TTL.
 */
export function createRedisAdapter(
  model: string,
  deps: { redis: Redis; clock: Clock; sealer: Sealer; lookups: Lookups },
): ModelAdapter {
  const { clock, sealer, lookups } = deps;
  const redis = withScripts(deps.redis);
  const { isSealed = false, isGranted = false, retention = 0 } = TRAITS[model] ?? {};
  const keyOf = (hash: string): string => `oidc:${model}:{${hash}}`;
  const now = (): number => Math.floor(clock.now() / 1000);

  function encode(id: string, hash: string, payload: AdapterPayload): string {
    const { jti: _jti, consumed: _consumed, ...kept } = payload;
    if (!isSealed) return JSON.stringify(kept);
    return sealer.seal(JSON.stringify({ ...kept, jti: id }), `${model}:${hash}`).toString('base64');
  }

  function decode(hash: string, stored: string): AdapterPayload | undefined {
    if (!isSealed) return JSON.parse(stored);
    try {
      const plain = sealer.open(Buffer.from(stored, 'base64'), `${model}:${hash}`);
      return JSON.parse(plain.toString());
    } catch {
      // Sealed under a key that was replaced since: as good as expired.
      return undefined;
    }
  }

  async function read(hash: string): Promise<AdapterPayload | undefined> {
    const [stored, consumed] = await redis.hmget(keyOf(hash), 'p', 'c');
    const payload = typeof stored === 'string' ? decode(hash, stored) : undefined;
    if (!payload) return undefined;
    if (typeof payload.exp === 'number' && payload.exp + retention <= now()) return undefined;
    if (typeof consumed === 'string') payload.consumed = Number(consumed);
    linkFacts(model, payload);
    return payload;
  }

  return {
    ...unsupported(model),
    async find(id) {
      if (!mayName(model, id)) return undefined;
      const payload = await read(hashId(id).toString('hex'));
      return payload && { ...payload, jti: id };
    },
    async findByUserCode(userCode) {
      if (typeof userCode !== 'string' || userCode.length > 64) return undefined;
      const digests = lookups.digests('user-code', userCode);
      const hashes = await Promise.all(digests.map((digest) => redis.get(userCodeKey(digest))));
      const hash = hashes.find((found) => found !== null);
      return hash ? read(hash) : undefined;
    },
    async upsert(id, payload, expiresIn) {
      // Nothing is issued on the strength of a refresh token that may have lost its race.
      await settle(currentCache(), 'refresh-consume');
      const hash = hashId(id).toString('hex');
      const ttl = toTtl(expiresIn === undefined ? undefined : expiresIn + retention);
      const writes: Promise<unknown>[] = [
        redis.gatehouseSave(keyOf(hash), encode(id, hash, payload), ttl),
      ];
      const { grantId, userCode } = payload as AdapterPayload & { userCode?: string };
      // After the record: whoever takes the members either finds it or comes before it was there.
      if (isGranted && mayNameGrant(grantId)) {
        const member = `${model}:{${hash}}`;
        writes.push(
          redis.gatehouseJoin(membersKey(grantId), member, now() + ttl, now(), MOST_MEMBERS),
        );
      }
      if (userCode) {
        // It has 34 bits: its bare hash would tell it to whoever reads the store.
        const key = userCodeKey(lookups.digest('user-code', userCode));
        writes.push(redis.set(key, hash, 'EX', ttl));
      }
      await Promise.all(writes);
    },
    async consume(id) {
      const isFirst = await redis.gatehouseConsume(keyOf(hashId(id).toString('hex')), now());
      if (isFirst === 1) return;
      if (model === 'PushedAuthorizationRequest') {
        throw new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
      }
      throw new errors.InvalidGrant(`the ${model} was used before`);
    },
    async destroy(id) {
      await redis.unlink(keyOf(hashId(id).toString('hex')));
    },
    async revokeByGrantId(grantId) {
      if (!mayNameGrant(grantId)) return;
      // The engine asks every model at once; the first takes the members of all of them.
      const members = await redis.gatehouseTake(membersKey(grantId));
      await Promise.all(members.map((member) => redis.unlink(`oidc:${member}`)));
    },
  };
}

/** Notes what the request will ask for next, so that it is read in one statement. */
function linkFacts(model: string, payload: AdapterPayload): void {
  const cache = currentCache();
  const { grantId, sessionUid, expiresWithSession, result } = payload;
  const login = model === 'Interaction' ? result?.login : undefined;
  if (login?.accountId) noteProof(login.accountId, login.passwordSetAt);
  if (!cache || grantId === undefined) return;
  const link = {
    grantId,
    sessionUid: expiresWithSession ? sessionUid : undefined,
    mayBeStale: model === 'AccessToken',
  };
  cache.links.set(grantId, link);
  if (link.sessionUid !== undefined) cache.links.set(link.sessionUid, link);
}
