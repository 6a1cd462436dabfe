import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import { createFreshCache } from '../../kernel/fresh-cache.ts';
import { newId, newSecret } from '../../kernel/ids.ts';
import * as repository from './repository.ts';
import { type ClientMetadata, type NewClient, newClient, type StoredClient } from './schema.ts';

/** How long, in milliseconds, a change to a client may go unseen by a running process. */
const CACHE_AGE = 1_000;
const CACHE_SIZE = 10_000;

/** Methods for which the engine needs the clear secret (OpenID Connect Core 9, 10.1). */
const SECRET_AS_KEY = new Set(['client_secret_jwt']);

/** A stand-in for a hashed secret, so that the engine sees that there is one. */
export const HASHED_SECRET = 'kept-as-hash';

/** Fewest characters of a secret that somebody else chose: its hash alone must not tell it. */
const SHORTEST_SECRET = 32;

export interface ClientServiceDeps {
  knex: Knex;
  clock: Clock;
  sealer: Sealer;
  /** The engine's own validation of registration metadata; throws AppError IDENT_VALIDATION. */
  validateMetadata(metadata: ClientMetadata): Promise<void>;
}

export type ClientService = ReturnType<typeof createClientService>;

const usesSecret = (metadata: ClientMetadata): boolean =>
  !['none', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'].includes(
    String(metadata.token_endpoint_auth_method ?? 'client_secret_basic'),
  );

/** Whether some setting makes the secret a key (HS*, symmetric encryption), not just a password. */
const needsClearSecret = (metadata: ClientMetadata): boolean =>
  SECRET_AS_KEY.has(String(metadata.token_endpoint_auth_method)) ||
  Object.entries(metadata).some(
    ([name, value]) =>
      name.endsWith('_alg') && typeof value === 'string' && /^(HS|dir$|A\d+(GCM)?KW$)/.test(value),
  );

/**
 * The secret of a new client: the one given, else a new one. It is kept as a
 * plain SHA-256, which guards only what nobody can guess.
 * @throws AppError IDENT_VALIDATION when the given one is too short or no text
 */
function chooseSecret(given: unknown): string {
  if (given === undefined) return newSecret();
  if (typeof given === 'string' && given.length >= SHORTEST_SECRET) return given;
  throw new AppError('IDENT_VALIDATION', {
    errors: [
      {
        path: 'metadata.client_secret',
        message: `must be a text of at least ${SHORTEST_SECRET} characters, or left out`,
      },
    ],
  });
}

/** Clients as data, with a cache that is at most a second behind the database. */
export function createClientService(deps: ClientServiceDeps) {
  const { knex, clock, sealer } = deps;
  const cache = createFreshCache<StoredClient | undefined>({
    clock,
    maxAge: CACHE_AGE,
    maxEntries: CACHE_SIZE,
  });

  /** Metadata for the engine, with the secret as that client's methods need it. */
  function present({ secretSealed, ...client }: repository.ClientRecord): StoredClient {
    if (!usesSecret(client.metadata)) return client;
    const secret = secretSealed
      ? sealer.open(secretSealed, `clients:${client.clientId}`).toString()
      : HASHED_SECRET;
    return { ...client, metadata: { ...client.metadata, client_secret: secret } };
  }

  async function read(clientId: string): Promise<StoredClient | undefined> {
    // NUL cannot be in a text column: such an id is nobody's.
    if (clientId.includes('\u0000')) return undefined;
    const record = await repository.findClient(knex, clientId);
    return record && !record.isDisabled ? present(record) : undefined;
  }

  const find = (clientId: string): Promise<StoredClient | undefined> =>
    cache.get(clientId, () => read(clientId));

  return {
    /** An enabled client of any tenant, at most a second old. */
    find,
    list: async (tenantId?: string): Promise<StoredClient[]> =>
      (await repository.listClients(knex, tenantId)).map(
        ({ secretSealed: _, ...client }) => client,
      ),

    /**
     * Registers a client. Its secret, if its method has one, is shown in the
     * answer and never again; a given one has 32 characters or more.
     * @throws AppError IDENT_VALIDATION naming the metadata that is wrong
     */
    async create(input: NewClient): Promise<{ client: StoredClient; clientSecret: string | null }> {
      const { tenantId, clientId = newId(), isFirstParty, metadata } = newClient.parse(input);
      const { client_secret: given, ...rest } = metadata;
      const full: ClientMetadata = { ...rest, client_id: clientId };
      const secret = usesSecret(full) ? chooseSecret(given) : null;
      await deps.validateMetadata(secret === null ? full : { ...full, client_secret: secret });
      const sealed = secret !== null && needsClearSecret(full);
      const record: repository.ClientRecord = {
        clientId,
        tenantId,
        isFirstParty,
        metadata: full,
        secretHash: secret === null ? null : sha256(secret),
        secretSealed: sealed ? sealer.seal(secret, `clients:${clientId}`) : null,
        isDisabled: false,
        createdAt: new Date(clock.now()),
      };
      await knex
        .transaction(async (trx) => {
          if (await repository.isUserId(trx, clientId)) {
            throw new AppError('IDENT_VALIDATION', {
              errors: [{ path: 'clientId', message: 'is taken' }],
            });
          }
          await repository.insertClient(trx, record);
        })
        .catch((error: { code?: string }) => {
          if (error.code !== '23505') throw error;
          throw new AppError('IDENT_VALIDATION', {
            errors: [{ path: 'clientId', message: 'is taken' }],
          });
        });
      cache.delete(clientId);
      const { secretSealed: _, ...client } = record;
      return { client, clientSecret: secret };
    },

    /** Deletes a client with its grants and refresh tokens. @throws AppError IDENT_NOT_FOUND */
    async delete(tenantId: string, clientId: string): Promise<void> {
      const deleted = await knex.transaction((trx) =>
        repository.deleteClient(trx, tenantId, clientId),
      );
      if (!deleted) throw new AppError('IDENT_NOT_FOUND');
      cache.delete(clientId);
    },
  };
}
