import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import { newSecret } from '../../kernel/ids.ts';
import * as repository from './repository.ts';
import type { LinkPurpose, NewLink, OpenedLink } from './schema.ts';

/** Milliseconds that a link lives at most. */
const LONGEST = 24 * 3_600_000;

/** What a token looks like; nothing else is looked up. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export interface OneTimeLinkDeps {
  knex: Knex;
  clock: Clock;
  /** HMAC-SHA-256 under a server key, in hexadecimal. */
  digest(value: string): string;
}

export interface OneTimeLinks {
  /**
   * Makes a link; older ones of the same purpose and user end.
   * @returns the token: 256 bits, kept as SHA-256
   * @throws RangeError for a life of no time or more than 24 hours
   */
  issue(link: NewLink): Promise<string>;
  /** What a link stands for, without using it up. @throws AppError IDENT_TOKEN_SPENT */
  peek(purpose: LinkPurpose, token: string): Promise<OpenedLink>;
  /**
   * Uses a link up, if the caller's transaction commits.
   * @throws AppError IDENT_TOKEN_SPENT when it is expired, used, replaced or unknown
   */
  consume(trx: Knex.Transaction, purpose: LinkPurpose, token: string): Promise<OpenedLink>;
  /** Ends what is still open of a user, of one purpose if given. */
  endAllOf(trx: Knex.Transaction, of: { userId: string; purpose?: LinkPurpose }): Promise<void>;
  /** Deletes every trace of a user's links. */
  erase(trx: Knex.Transaction, userId: string): Promise<void>;
}

function hashOf(token: string): Buffer {
  if (!TOKEN.test(token)) throw new AppError('IDENT_TOKEN_SPENT');
  return sha256(token);
}

/** Links that stand for something once. Must not know what for. */
export function createOneTimeLinks({ knex, clock, digest }: OneTimeLinkDeps): OneTimeLinks {
  const now = (): Date => new Date(clock.now());
  const tokenOf = ({ purpose, userId, seed }: NewLink): string =>
    seed === undefined
      ? newSecret()
      : Buffer.from(digest(JSON.stringify([purpose, userId, seed])), 'hex').toString('base64url');

  return {
    async issue(link) {
      if (!(link.ttl > 0 && link.ttl <= LONGEST)) throw new RangeError('a link lives up to 24 h');
      const token = tokenOf(link);
      const hash = sha256(token);
      const { purpose, userId, tenantId, data = {} } = link;
      const createdAt = now();
      const expiresAt = new Date(createdAt.getTime() + link.ttl);
      await knex.transaction(async (trx) => {
        await repository.lockUser(trx, userId);
        const fields = { hash, purpose, userId, tenantId, data, createdAt, expiresAt };
        // Made again by its seed it is not the newest, and ends no other.
        if (!(await repository.insertLink(trx, fields))) return;
        await repository.endOthers(trx, fields, createdAt);
      });
      return token;
    },
    async peek(purpose, token) {
      const link = await repository.findLink(knex, purpose, hashOf(token), now());
      if (!link) throw new AppError('IDENT_TOKEN_SPENT');
      return link;
    },
    async consume(trx, purpose, token) {
      const link = await repository.endLink(trx, purpose, hashOf(token), now());
      if (!link) throw new AppError('IDENT_TOKEN_SPENT');
      return link;
    },
    endAllOf: (trx, of) => repository.endLinksOf(trx, of, now()),
    erase: (trx, userId) => repository.deleteLinksOf(trx, userId),
  };
}
