import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { createFreshCache } from '../../kernel/fresh-cache.ts';
import { newId } from '../../kernel/ids.ts';
import { isBuiltIn } from './built-in.ts';
import { changeClient, rotateSecret } from './changes.ts';
import { type ClaimRegistration, registerClient, replaceRegistered } from './registrations.ts';
import * as repository from './repository.ts';
import {
  type ClientDetails,
  type ClientMetadata,
  type ClientName,
  type ClientUpdate,
  type NewClient,
  newClient,
  type SecretRotation,
  type StoredClient,
} from './schema.ts';
import {
  chooseSecret,
  keepSecret,
  NO_PREVIOUS,
  openPrevious,
  usesSecret,
  withSecret,
} from './secrets.ts';

/** How long, in milliseconds, a change to a client may go unseen by a running process. */
const CACHE_AGE = 1_000;
const CACHE_SIZE = 10_000;

export interface ClientServiceDeps {
  knex: Knex;
  clock: Clock;
  sealer: Sealer;
  /**
   * The engine's own validation of the metadata of a client of this tenant;
   * throws AppError IDENT_VALIDATION.
   */
  validateMetadata(metadata: ClientMetadata, tenantId: string): Promise<void>;
}

export type ClientService = ReturnType<typeof createClientService>;

/** A client, and its secret if it has been given a new one: shown once, and kept nowhere. */
export interface WithSecret {
  client: ClientDetails;
  clientSecret: string | null;
}

const toDetails = (record: repository.ClientRecord): ClientDetails => ({
  clientId: record.clientId,
  tenantId: record.tenantId,
  isFirstParty: record.isFirstParty,
  metadata: record.metadata,
  isDisabled: record.isDisabled,
  version: record.version,
  previousSecretExpiresAt: record.previousSecretExpiresAt,
  createdAt: record.createdAt,
  updatedAt: record.updatedAt,
  selfRegisteredAt: record.selfRegisteredAt,
  firstTokenAt: record.firstTokenAt,
});

const isTaken = (): AppError =>
  new AppError('IDENT_VALIDATION', { errors: [{ path: 'clientId', message: 'is taken' }] });

/** A client for the engine: its secrets as its methods need them, those that have expired left out. */
function toStored(
  { sealer, clock }: Pick<ClientServiceDeps, 'sealer' | 'clock'>,
  record: repository.ClientRecord,
): StoredClient {
  const { previousSecretExpiresAt: expiresAt } = record;
  const isPreviousOpen = expiresAt !== null && expiresAt.getTime() > clock.now();
  const hashes = [record.secretHash, isPreviousOpen ? record.previousHash : null];
  return {
    ...toDetails(record),
    metadata: withSecret(sealer, record.metadata, record),
    secretHashes: hashes.filter((hash) => hash !== null),
    previousSecret: isPreviousOpen
      ? openPrevious(sealer, record.clientId, record.previousSealed)
      : null,
  };
}

async function createClient(deps: ClientServiceDeps, input: NewClient): Promise<WithSecret> {
  const { tenantId, clientId = newId(), isFirstParty, metadata } = newClient.parse(input);
  const { client_secret: given, ...rest } = metadata;
  const full: ClientMetadata = { ...rest, client_id: clientId };
  const secret = usesSecret(full) ? chooseSecret(given) : null;
  await deps.validateMetadata(
    secret === null ? full : { ...full, client_secret: secret },
    tenantId,
  );
  const now = new Date(deps.clock.now());
  const record: repository.ClientRecord = {
    clientId,
    tenantId,
    isFirstParty,
    metadata: full,
    ...keepSecret(deps.sealer, full, secret),
    ...NO_PREVIOUS,
    isDisabled: false,
    version: 1,
    createdAt: now,
    updatedAt: now,
    selfRegisteredAt: null,
    initialAccessTokenId: null,
    firstTokenAt: null,
  };
  await deps.knex
    .transaction(async (trx) => {
      if (isBuiltIn(clientId) || (await repository.isUserId(trx, clientId))) {
        throw isTaken();
      }
      await repository.insertClient(trx, record);
    })
    .catch((error: { code?: string }) => {
      throw error.code === '23505' ? isTaken() : error;
    });
  return { client: toDetails(record), clientSecret: secret };
}

/** Clients as data, with a cache that is at most a second behind the database. */
export function createClientService(deps: ClientServiceDeps) {
  const { knex, clock } = deps;
  const cache = createFreshCache<StoredClient | undefined>({
    clock,
    maxAge: CACHE_AGE,
    maxEntries: CACHE_SIZE,
  });

  async function read(clientId: string): Promise<StoredClient | undefined> {
    const record = await repository.findClient(knex, clientId);
    return record && !record.isDisabled ? toStored(deps, record) : undefined;
  }

  async function setDisabled(name: ClientName, isDisabled: boolean): Promise<ClientDetails> {
    const change = { isDisabled, at: new Date(clock.now()) };
    const record = await repository.setDisabled(knex, name, change);
    if (!record) throw new AppError('IDENT_NOT_FOUND');
    return applied(record);
  }

  /** What a change gave; from now on this process sees it, others within a second. */
  function applied(record: repository.ClientRecord): ClientDetails {
    cache.delete(record.clientId);
    return toDetails(record);
  }

  return {
    /** An enabled client of any tenant, at most a second old. */
    find: (clientId: string): Promise<StoredClient | undefined> =>
      cache.get(clientId, () => read(clientId)),

    /** Whether an operator has shut a client out. It need not be one that is found otherwise. */
    isShutOut: async (clientId: string): Promise<boolean> =>
      (await repository.findClient(knex, clientId))?.isDisabled === true,

    /** A client of this tenant, disabled ones too. @throws AppError IDENT_NOT_FOUND */
    async get(name: ClientName): Promise<ClientDetails> {
      const record = await repository.getClient(knex, name);
      if (!record) throw new AppError('IDENT_NOT_FOUND');
      return toDetails(record);
    },

    list: async (tenantId?: string): Promise<ClientDetails[]> =>
      (await repository.listClients(knex, tenantId)).map(toDetails),

    /**
     * Registers a client. Its secret, if its method has one, is shown in the
     * answer and never again; a given one has 32 characters or more.
     * @throws AppError IDENT_VALIDATION naming the metadata that is wrong
     */
    async create(input: NewClient): Promise<WithSecret> {
      const made = await createClient(deps, input);
      cache.delete(made.client.clientId);
      return made;
    },

    /**
     * Saves a client that registers itself, with metadata that the engine has
     * found valid; `claim` says whose it is, in the same transaction.
     */
    async register(metadata: ClientMetadata, claim: ClaimRegistration): Promise<void> {
      await registerClient(deps, metadata, claim);
      cache.delete(metadata.client_id);
    },

    /**
     * Replaces the metadata of a client that registered itself (RFC 7592 2.2).
     * @throws AppError IDENT_NOT_FOUND for any other, IDENT_STALE_VERSION when it has changed since
     */
    async replaceRegistered(metadata: ClientMetadata): Promise<void> {
      await replaceRegistered(deps, metadata);
      cache.delete(metadata.client_id);
    },

    /** Notes that a client that registered itself was given a token: it is in use. */
    async noteFirstToken(clientId: string): Promise<void> {
      await repository.noteFirstToken(knex, clientId, new Date(clock.now()));
      cache.delete(clientId);
    },

    /** How many clients registered themselves without a token and are not in use; up to `most`. */
    countUnusedOpen: (trx: Knex.Transaction, most: number): Promise<number> =>
      repository.countUnusedOpen(trx, most),

    /**
     * Deletes clients that registered themselves so many milliseconds ago and
     * were never given a token. @returns how many, at most `batch`
     */
    purgeUnused: ({ age, batch }: { age: number; batch: number }): Promise<number> =>
      knex.transaction(async (trx) => {
        const before = new Date(clock.now() - age);
        const names = await repository.listUnused(trx, before, batch);
        for (const name of names) await repository.deleteClient(trx, name);
        return names.length;
      }),

    /**
     * Changes the metadata of a client, validated whole by the engine. Where a
     * new way to authenticate needs a secret that it does not have, it is given
     * one, which is shown in the answer and never again.
     * @throws AppError IDENT_NOT_FOUND, IDENT_VALIDATION naming the metadata that is wrong,
     *   IDENT_STALE_VERSION when it has changed since
     */
    async update(input: ClientUpdate): Promise<WithSecret> {
      const { record, clientSecret } = await changeClient(deps, input);
      return { client: applied(record), clientSecret };
    },

    /**
     * Gives a client a new secret, shown in the answer and never again. The one
     * before it opens until the overlap is over; one that was still opening
     * from an earlier rotation ends now, so that never more than two do.
     * @throws AppError IDENT_NOT_FOUND, IDENT_INVALID_TRANSITION when its method has no secret
     */
    async rotateSecret(input: SecretRotation): Promise<{
      client: ClientDetails;
      clientSecret: string;
    }> {
      const { record, clientSecret } = await rotateSecret(deps, input);
      return { client: applied(record), clientSecret };
    },

    /**
     * Stops a client: nothing authenticates as it and its tokens open nothing,
     * here at once and in other processes within a second.
     * @throws AppError IDENT_NOT_FOUND
     */
    disable: (name: ClientName): Promise<ClientDetails> => setDisabled(name, true),

    /** Lets a disabled client go on where it was. @throws AppError IDENT_NOT_FOUND */
    enable: (name: ClientName): Promise<ClientDetails> => setDisabled(name, false),

    /** Deletes a client with its grants and refresh tokens. @throws AppError IDENT_NOT_FOUND */
    async delete(tenantId: string, clientId: string): Promise<void> {
      const name = { tenantId, clientId };
      const deleted = await knex.transaction((trx) => repository.deleteClient(trx, name));
      if (!deleted) throw new AppError('IDENT_NOT_FOUND');
      cache.delete(clientId);
    },
  };
}
