import type { JWTPayload } from 'jose';
import type { Knex } from 'knex';
import { AppError } from '../../kernel/errors.ts';
import { isUuid, newId } from '../../kernel/ids.ts';
import { trustedIssuerEvents } from './events.ts';
import { createKeySets, type Fetch } from './key-sets.ts';
import { findLinkedUser, type LinkingDeps, link } from './linking.ts';
import * as repository from './repository.ts';
import {
  isAddress,
  type NewTrustedIssuer,
  newTrustedIssuer,
  type TrustedIssuer,
} from './schema.ts';
import { type ForeignTokenType, peekClaims, refuse, verifyForeign } from './verify.ts';

export interface TrustedIssuerDeps extends LinkingDeps {
  /** Our own issuer, which nobody can trust as a foreign one. */
  ownIssuer: string;
  /** Through the outbound guard. */
  fetch: Fetch;
}

/** Whom a verified token of a trusted issuer is about. */
export interface TrustedSubject {
  userId: string;
  tenantId: string;
  issuer: string;
  /** Seconds since the epoch: when the token expires, or is too old. */
  notAfter: number;
  /** When the person signed in there, seconds since the epoch, if it says so. */
  authTime: number | undefined;
  /** The key that the token is bound to (RFC 7800). */
  cnf: Record<string, unknown> | undefined;
  /** RFC 8693 4.1: who acts for the subject there already. */
  act: Record<string, unknown> | undefined;
  /** RFC 8693 4.4. */
  mayAct: Record<string, unknown> | undefined;
}

export interface TrustedIssuerService {
  /** @throws AppError IDENT_VALIDATION when the tenant trusts it already, or it is ourselves */
  add(input: NewTrustedIssuer): Promise<TrustedIssuer>;
  /** Of one tenant, or all. */
  list(tenantId?: string): Promise<TrustedIssuer[]>;
  find(tenantId: string, issuer: string): Promise<TrustedIssuer | undefined>;
  /** @throws AppError IDENT_NOT_FOUND; nothing happens to one that is in that state already */
  setDisabled(tenantId: string, issuer: string, isDisabled: boolean): Promise<void>;
  /** Links stay: a subject is who it is. @throws AppError IDENT_NOT_FOUND */
  remove(tenantId: string, issuer: string): Promise<void>;
  /**
   * Links a subject of an issuer to a user at home in the tenant.
   * @throws AppError IDENT_NOT_FOUND, IDENT_EXT_IDENTITY_MISMATCH
   */
  link(identity: {
    tenantId: string;
    userId: string;
    issuer: string;
    subject: string;
  }): Promise<void>;
  /**
   * Verifies a token and finds its user.
   * @param facts `tenantId` null: whichever tenant trusts the issuer for this audience
   * @throws AppError IDENT_INVALID_CREDENTIALS with what is wrong in `detail`,
   *   IDENT_EXT_IDENTITY_MISMATCH, IDENT_FEDERATION_UNAVAILABLE
   */
  authenticate(
    token: string,
    facts: { type: ForeignTokenType; tenantId: string | null },
  ): Promise<TrustedSubject>;
}

const invalid = (path: string, message: string): AppError =>
  new AppError('IDENT_VALIDATION', { errors: [{ path, message }] });

/** A claim that restricts the token: one that cannot be read must not count as absent. */
function readObject(claims: JWTPayload, name: string): Record<string, unknown> | undefined {
  const value = claims[name];
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw refuse(`the claim ${name} is not acceptable`);
}

/** The entry that a token is for; where several tenants trust the issuer, its audience tells. */
function chooseEntry(entries: TrustedIssuer[], aud: unknown): TrustedIssuer {
  const matching = entries.filter(({ audience }) => [aud].flat().includes(audience));
  const [entry, ...others] = entries.length === 1 ? entries : matching;
  if (!entry) throw refuse('the issuer is not trusted here');
  if (others.length > 0) throw refuse('several tenants trust the issuer: name one');
  return entry;
}

type Changes = Pick<TrustedIssuerService, 'add' | 'setDisabled' | 'remove'>;

/** What changes whom a tenant trusts, each with its event in one transaction. */
function createChanges({ knex, clock, emit, ownIssuer }: TrustedIssuerDeps): Changes {
  const note = (
    trx: Knex.Transaction,
    { id, tenantId, issuer }: Pick<TrustedIssuer, 'id' | 'tenantId' | 'issuer'>,
    change: 'added' | 'disabled' | 'enabled' | 'removed',
  ) => emit(trx, trustedIssuerEvents.changed, { subject: id, tenantId }, { issuer, change });

  return {
    async add(input) {
      const { jwksUri = null, jwks = null, ...rest } = newTrustedIssuer.parse(input);
      if (rest.issuer === ownIssuer) throw invalid('issuer', 'is this service itself');
      const createdAt = new Date(clock.now());
      const entry = { ...rest, jwksUri, jwks, id: newId(), isDisabled: false, createdAt };
      await knex
        .transaction(async (trx) => {
          await repository.insertIssuer(trx, entry);
          await note(trx, entry, 'added');
        })
        .catch((error: { code?: string }) => {
          throw error.code === '23505' ? invalid('issuer', 'is trusted already') : error;
        });
      return entry;
    },
    async setDisabled(tenantId, issuer, isDisabled) {
      const now = new Date(clock.now());
      const isThere = await knex.transaction(async (trx) => {
        const at = { disabledAt: isDisabled ? now : null, now };
        const id = await repository.setDisabled(trx, { tenantId, issuer }, at);
        if (id) await note(trx, { id, tenantId, issuer }, isDisabled ? 'disabled' : 'enabled');
        return id !== undefined || (await repository.findIssuer(trx, tenantId, issuer));
      });
      if (!isThere) throw new AppError('IDENT_NOT_FOUND');
    },
    async remove(tenantId, issuer) {
      await knex.transaction(async (trx) => {
        const id = await repository.deleteIssuer(trx, tenantId, issuer);
        if (!id) throw new AppError('IDENT_NOT_FOUND');
        await note(trx, { id, tenantId, issuer }, 'removed');
      });
    },
  };
}

/** The use cases around issuers that tenants trust. */
export function createTrustedIssuerService(deps: TrustedIssuerDeps): TrustedIssuerService {
  const { knex, clock } = deps;
  const keySets = createKeySets(deps);
  return {
    ...createChanges(deps),
    list: (tenantId) => repository.listIssuers(knex, tenantId),
    find: (tenantId, issuer) => repository.findIssuer(knex, tenantId, issuer),
    async link(identity) {
      const { tenantId, userId } = identity;
      const user = isUuid(userId) ? await deps.users.find(tenantId, userId) : undefined;
      if (!user) throw new AppError('IDENT_NOT_FOUND');
      await link(deps, { ...identity, linkedBy: 'administrator' });
    },
    async authenticate(token, { type, tenantId }) {
      const { iss, aud } = peekClaims(token, type);
      if (!isAddress(iss)) throw refuse('the issuer is not trusted here');
      const entry = chooseEntry(await repository.findEnabled(knex, iss, tenantId), aud);
      const claims = await verifyForeign(token, entry, { keySets, now: clock.now() });
      const { exp = 0, iat = 0, auth_time: authTime } = claims;
      const restrictions = {
        cnf: readObject(claims, 'cnf'),
        act: readObject(claims, 'act'),
        mayAct: readObject(claims, 'may_act'),
      };
      return {
        userId: await findLinkedUser(deps, entry, claims),
        tenantId: entry.tenantId,
        issuer: entry.issuer,
        notAfter: Math.floor(Math.min(exp, iat + entry.maxTokenAge)),
        authTime:
          Number.isSafeInteger(authTime) && Number(authTime) <= iat ? Number(authTime) : undefined,
        ...restrictions,
      };
    },
  };
}
