import type { JWTPayload } from 'jose';
import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { newId } from '../../kernel/ids.ts';
import { parseIdentifier, type UserService } from '../user/index.ts';
import { trustedIssuerEvents } from './events.ts';
import { findLink, insertLink } from './repository.ts';
import type { ExternalIdentity, TrustedIssuer } from './schema.ts';
import { refuse } from './verify.ts';

export interface LinkingDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  users: Pick<UserService, 'find' | 'findByIdentifier'>;
}

/** Postgres: this subject, or this user, is linked at the issuer already. */
const UNIQUE_VIOLATION = '23505';

/**
 * Links a subject to a user of the tenant, with its event.
 * @throws AppError IDENT_EXT_IDENTITY_MISMATCH when either is linked elsewhere
 */
export async function link(
  { knex, clock, emit }: LinkingDeps,
  identity: Omit<ExternalIdentity, 'id' | 'createdAt'>,
): Promise<void> {
  const { tenantId, userId, issuer, subject, linkedBy } = identity;
  await knex
    .transaction(async (trx) => {
      await insertLink(trx, { ...identity, id: newId(), createdAt: new Date(clock.now()) });
      await emit(
        trx,
        trustedIssuerEvents.linked,
        { subject: userId, tenantId },
        { userId, issuer, by: linkedBy },
      );
    })
    .catch(async (error: { code?: string }) => {
      if (error.code !== UNIQUE_VIOLATION) throw error;
      // The same link made at the same time is no contradiction.
      const present = await findLink(knex, issuer, subject);
      if (present?.userId === userId && present.tenantId === tenantId) return;
      throw new AppError('IDENT_EXT_IDENTITY_MISMATCH', { cause: error });
    });
}

/** The name by which the token's person may be looked for, if the issuer is trusted with that. */
function identifierIn(claims: JWTPayload, { linkBy, usernameClaim }: TrustedIssuer) {
  if (linkBy === 'none') return undefined;
  // An address that its issuer has not checked is anybody's (CVE-2025-7365).
  if (linkBy === 'email' && claims.email_verified !== true) return undefined;
  const value = claims[linkBy === 'email' ? 'email' : usernameClaim];
  const identifier = typeof value === 'string' ? parseIdentifier(value) : undefined;
  return identifier?.scheme === linkBy ? identifier : undefined;
}

/**
 * The user of the issuer's tenant whom a verified token is about: the one that
 * its subject is linked to, else, where the issuer is trusted with it, the one of
 * that address or name at home in the tenant; that link is kept.
 * @throws AppError IDENT_INVALID_CREDENTIALS when there is none;
 *   IDENT_EXT_IDENTITY_MISMATCH when the subject is linked in another tenant, or
 *   the user to another subject
 */
export async function findLinkedUser(
  deps: LinkingDeps,
  issuer: TrustedIssuer,
  claims: JWTPayload,
): Promise<string> {
  const subject = claims[issuer.subjectClaim];
  // Half a character is stored as another one: two subjects would become one.
  if (typeof subject !== 'string' || !/^\P{C}{1,255}$/u.test(subject)) {
    throw refuse('the token names no subject');
  }
  const present = await findLink(deps.knex, issuer.issuer, subject);
  if (present?.tenantId === issuer.tenantId) return present.userId;
  if (present) throw new AppError('IDENT_EXT_IDENTITY_MISMATCH');
  const identifier = identifierIn(claims, issuer);
  const found = identifier ? await deps.users.findByIdentifier(issuer.tenantId, identifier) : [];
  const [user, ...others] = found.filter(({ isHome }) => isHome);
  const isProven = issuer.linkBy !== 'email' || user?.emailVerified === true;
  if (!user || others.length > 0 || !isProven || user.status !== 'active') {
    throw refuse('there is no user for the subject of the token');
  }
  const linkedBy = issuer.linkBy === 'email' ? 'email' : 'username';
  const { tenantId, issuer: iss } = issuer;
  await link(deps, { tenantId, userId: user.id, issuer: iss, subject, linkedBy });
  return user.id;
}
