import { errors } from 'oidc-provider';
import {
  type SessionBase,
  type SessionStore,
  type StoredAuthorizations,
  sealedAs,
} from '../../features/session/index.ts';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { isUuid } from '../../kernel/ids.ts';
import { type Facts, toSessionRow } from './facts.ts';
import { gathering } from './first-tokens.ts';
import { hashId, mayName } from './ids.ts';
import { expiryOf, type ModelAdapter, unsupported } from './model-adapter.ts';
import { currentCache, type SessionRow, settle } from './request-cache.ts';

const MODEL = 'Session';

/** The engine always gives sessions a life; without one it would never be purged. */
function sessionExpiry(...facts: Parameters<typeof expiryOf>): Date {
  const expiresAt = expiryOf(...facts);
  if (expiresAt === 'infinity') throw new TypeError('a session must expire');
  return expiresAt;
}

type LoginFacts = Pick<SessionBase, 'accountId' | 'loginTs'>;

/** What a later save is compared with: a copy of its own, made when there is a save. */
function toBase({ accountId, loginTs }: LoginFacts, text: string): SessionBase {
  let authorizations: StoredAuthorizations | undefined;
  return {
    accountId,
    loginTs,
    get authorizations() {
      authorizations ??= JSON.parse(text) as StoredAuthorizations;
      return authorizations;
    },
  };
}

/**
 * Sessions of browsers. Reads come joined with the user; writes go to the
 * session feature, which owns them.
 *
 * The engine gives a session a new cookie value at each sign-in by destroying
 * the old one and saving under the new, the `uid` unchanged; a logout is a
 * destroy with no save after it. So within a request a destroy waits: a save of
 * the same uid makes it a rename, the end of the request makes it the session's
 * end. Outside `runWithRequestCache` a destroy is an end at once, and renaming
 * does not work.
 */
export function createSessionAdapter(deps: {
  clock: Clock;
  facts: Facts;
  sealer: Sealer;
  sessions: SessionStore;
}): ModelAdapter {
  const { clock, facts, sealer, sessions } = deps;

  /** Values opened so far, by the sealed bytes: introspection reads one row again and again. */
  const opened = new WeakMap<Buffer, string>();

  /** The cookie value; undefined when it was sealed under a key that was replaced since. */
  function openId(row: SessionRow): string | undefined {
    try {
      const id =
        opened.get(row.idSealed) ?? sealer.open(row.idSealed, sealedAs(row.idHash)).toString();
      opened.set(row.idSealed, id);
      return id;
    } catch {
      // Who asks by uid wants to know whether the session lives; the engine then makes up a value.
      return undefined;
    }
  }

  function toPayload(row: SessionRow, id: string | undefined) {
    const payload = JSON.parse(row.payload);
    const cache = currentCache();
    cache?.owners.set(row.idHash.toString('hex'), row.uid);
    cache?.bases.set(row.uid, toBase(payload, row.authorizations));
    const authorizations = JSON.parse(row.authorizations);
    const hasAny = Object.keys(authorizations).length > 0;
    return { ...payload, ...(id && { jti: id }), ...(hasAny && { authorizations }) };
  }

  return {
    ...unsupported(MODEL),
    async find(id) {
      if (!mayName(MODEL, id)) return undefined;
      await settle(currentCache(), 'session-end');
      const found = await facts.sessionById(hashId(id));
      const row = found && toSessionRow(found);
      return row ? toPayload(row, id) : undefined;
    },
    async findByUid(uid) {
      if (!isUuid(uid)) return undefined;
      await settle(currentCache(), 'session-end');
      const parked = currentCache()?.sessions.get(uid);
      const row =
        parked === undefined
          ? toSessionRow(await facts.grantAndSession({ sessionUid: uid }))
          : parked;
      if (!row) return undefined;
      return toPayload(row, openId(row));
    },
    async upsert(id, payload, expiresIn) {
      const { jti: _jti, authorizations: given, ...kept } = payload;
      const authorizations = (given ?? {}) as StoredAuthorizations;
      const uid = String(kept.uid);
      const cache = currentCache();
      const renamedFrom = cache?.ending?.uid === uid ? cache.ending.hash : undefined;
      if (cache && renamedFrom) {
        cache.deferred.delete('session-end');
        cache.ending = undefined;
      }
      await settle(cache, 'session-end');
      const save = {
        uid,
        id,
        renamedFrom,
        accountId: kept.accountId,
        amr: kept.amr ?? [],
        payload: kept,
        authorizations,
        base: cache?.bases.get(uid),
        expiresAt: sessionExpiry(payload, expiresIn, clock),
        passwordSetAt: cache?.proofs.get(String(kept.accountId)),
      };
      const first = gathering();
      if (first) {
        first.session = sessions.prepare(save, first.user);
        return;
      }
      const result = await sessions.save(save);
      facts.forget([{ kind: 'sid', id: uid }]);
      if (result === 'ended') throw new errors.SessionNotFound('the session has ended');
      cache?.owners.set(hashId(id).toString('hex'), uid);
      cache?.bases.set(uid, {
        accountId: kept.accountId,
        loginTs: kept.loginTs as number | undefined,
        authorizations: structuredClone(authorizations),
      });
    },
    async destroy(id) {
      const cache = currentCache();
      await settle(cache, 'session-end');
      const hash = hashId(id);
      const uid = cache?.owners.get(hash.toString('hex'));
      if (!cache || uid === undefined) return sessions.destroy(id);
      cache.ending = { hash, uid };
      cache.sessions.delete(uid);
      cache.deferred.set('session-end', () => {
        cache.ending = undefined;
        return sessions.destroy(id);
      });
    },
  };
}
