import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import { isUuid, newId, newSecret } from '../../kernel/ids.ts';
import * as repository from './repository.ts';
import {
  type InitialAccessToken,
  type NewInitialAccessToken,
  newInitialAccessToken,
} from './schema.ts';

/** Names the kind of a token, for secret scanners and to spare look-ups. */
const PREFIX = 'ghi_';

export type InitialAccessTokenService = ReturnType<typeof createInitialAccessTokenService>;

/** Initial access tokens; the bearer value is kept as its SHA-256. */
export function createInitialAccessTokenService({ knex, clock }: { knex: Knex; clock: Clock }) {
  const now = () => new Date(clock.now());
  return {
    /** Makes a token. Its value is in the answer and never shown again. */
    async create(
      input: NewInitialAccessToken,
    ): Promise<{ token: string; details: InitialAccessToken }> {
      const { tenantId, label = null, expiresIn, maxUses } = newInitialAccessToken.parse(input);
      const createdAt = now();
      const details: InitialAccessToken = {
        id: newId(),
        tenantId,
        label,
        maxUses,
        uses: 0,
        createdAt,
        expiresAt: new Date(createdAt.getTime() + expiresIn * 1000),
        revokedAt: null,
      };
      const token = PREFIX + newSecret();
      await repository.insertToken(knex, details, sha256(token));
      return { token, details };
    },

    list: (tenantId?: string): Promise<InitialAccessToken[]> =>
      repository.listTokens(knex, tenantId),

    /** Ends a token; what it has registered stays. @throws AppError IDENT_NOT_FOUND */
    async revoke(tenantId: string, id: string): Promise<void> {
      const found = isUuid(id) && (await repository.revokeToken(knex, { tenantId, id, at: now() }));
      if (!found) throw new AppError('IDENT_NOT_FOUND');
    },

    /** A token that can still be used, by its bearer value. */
    find: async (token: string): Promise<InitialAccessToken | undefined> =>
      token.startsWith(PREFIX) ? repository.findLive(knex, sha256(token), now()) : undefined,

    /** Uses a token once, in the transaction of what it is used for; undefined: none is left. */
    use: (trx: Knex.Transaction, token: string): Promise<InitialAccessToken | undefined> =>
      repository.takeUse(trx, sha256(token), now()),
  };
}
