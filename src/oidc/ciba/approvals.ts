import type { Redis } from 'ioredis';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { newSecret } from '../../kernel/ids.ts';

/** A CIBA request that waits for its person. */
export interface Approval {
  authReqId: string;
  accountId: string;
  clientId: string;
  /** The tenant that the tokens will act in. */
  tenantId: string;
  /** Where the client asked from. */
  ip: string | null;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** Links to requests that wait: one per person and client, the newest. */
export interface Approvals {
  /** @returns the secret that names the request in the link, and its id at rest */
  open(approval: Approval): Promise<{ token: string; id: string }>;
  /** @returns undefined for a link that is unknown, expired, or replaced by a newer one */
  find(token: string): Promise<{ id: string; approval: Approval } | undefined>;
  /** Takes the right to decide. @returns false while somebody else decides */
  claim(id: string): Promise<boolean>;
  /** Gives it back. */
  release(id: string): Promise<void>;
}

/** What `newSecret` makes: 256 bits as base64url. */
const TOKEN = /^[\w-]{43}$/;

/** Seconds that a decision may take; one that died on the way blocks no longer. */
const DECISION = 30;

/** Seconds that a link shows what came of it, after the request has expired. */
const AFTERGLOW = 300;

const key = (id: string): string => `ciba:approval:{${id}}`;
const claimKey = (id: string): string => `ciba:claim:{${id}}`;
const newestKey = ({ clientId, accountId }: Approval): string =>
  `ciba:newest:{${sha256(`${clientId}\0${accountId}`).toString('hex')}}`;

/** @param deps `redis` keeps the requests, sealed; a link is found by its hash only */
export function createApprovals(deps: { redis: Redis; sealer: Sealer; clock: Clock }): Approvals {
  const { redis, sealer, clock } = deps;
  const sealedAs = (id: string): string => `ciba-approval:${id}`;

  return {
    async open(approval) {
      const token = newSecret();
      const id = sha256(token).toString('hex');
      const life = Math.ceil((approval.expiresAt - clock.now()) / 1000) + AFTERGLOW;
      const ttl = Math.max(1, life);
      const sealed = sealer.seal(JSON.stringify(approval), sealedAs(id)).toString('base64');
      await Promise.all([
        redis.set(key(id), sealed, 'EX', ttl),
        redis.set(newestKey(approval), id, 'EX', ttl),
      ]);
      return { token, id };
    },
    async find(token) {
      if (!TOKEN.test(token)) return undefined;
      const id = sha256(token).toString('hex');
      const sealed = await redis.get(key(id));
      if (sealed === null) return undefined;
      const plain = sealer.open(Buffer.from(sealed, 'base64'), sealedAs(id)).toString();
      const approval = JSON.parse(plain) as Approval;
      return (await redis.get(newestKey(approval))) === id ? { id, approval } : undefined;
    },
    claim: async (id) => (await redis.set(claimKey(id), '1', 'EX', DECISION, 'NX')) === 'OK',
    async release(id) {
      await redis.unlink(claimKey(id));
    },
  };
}
