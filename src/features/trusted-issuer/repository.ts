import type { Knex } from 'knex';
import type { ExternalIdentity, TrustedIssuer } from './schema.ts';

interface IssuerRow {
  id: string;
  tenant_id: string;
  issuer: string;
  jwks_uri: string | null;
  jwks: TrustedIssuer['jwks'];
  audience: string;
  algs: string[];
  subject_claim: string;
  username_claim: string;
  link_by: TrustedIssuer['linkBy'];
  max_token_age: number;
  disabled_at: Date | null;
  created_at: Date;
}

const toIssuer = (row: IssuerRow): TrustedIssuer => ({
  id: row.id,
  tenantId: row.tenant_id,
  issuer: row.issuer,
  jwksUri: row.jwks_uri,
  jwks: row.jwks,
  audience: row.audience,
  algs: row.algs,
  subjectClaim: row.subject_claim,
  usernameClaim: row.username_claim,
  linkBy: row.link_by,
  maxTokenAge: row.max_token_age,
  isDisabled: row.disabled_at !== null,
  createdAt: row.created_at,
});

/** Tenants that trust one issuer, looked at for one token at most. */
const MOST_CANDIDATES = 50;

/** Inserts; an issuer that the tenant trusts already violates the unique constraint. */
export async function insertIssuer(trx: Knex.Transaction, issuer: TrustedIssuer): Promise<void> {
  await trx('trusted_issuers').insert({
    id: issuer.id,
    tenant_id: issuer.tenantId,
    issuer: issuer.issuer,
    jwks_uri: issuer.jwksUri,
    jwks: issuer.jwks && JSON.stringify(issuer.jwks),
    audience: issuer.audience,
    algs: issuer.algs,
    subject_claim: issuer.subjectClaim,
    username_claim: issuer.usernameClaim,
    link_by: issuer.linkBy,
    max_token_age: issuer.maxTokenAge,
    created_at: issuer.createdAt,
    updated_at: issuer.createdAt,
  });
}

export async function listIssuers(knex: Knex, tenantId?: string): Promise<TrustedIssuer[]> {
  const rows = await knex<IssuerRow>('trusted_issuers')
    .modify((query) => {
      if (tenantId) query.where({ tenant_id: tenantId });
    })
    .orderBy(['tenant_id', 'issuer']);
  return rows.map(toIssuer);
}

export async function findIssuer(
  knex: Knex,
  tenantId: string,
  issuer: string,
): Promise<TrustedIssuer | undefined> {
  const row = await knex<IssuerRow>('trusted_issuers')
    .where({ tenant_id: tenantId, issuer })
    .first();
  return row && toIssuer(row);
}

/** Enabled entries of one issuer: those of a tenant, or with `tenantId` null of any. */
export async function findEnabled(
  knex: Knex,
  issuer: string,
  tenantId: string | null,
): Promise<TrustedIssuer[]> {
  const rows = await knex<IssuerRow>('trusted_issuers')
    .where({ issuer })
    .whereNull('disabled_at')
    .modify((query) => {
      if (tenantId !== null) query.where({ tenant_id: tenantId });
    })
    .limit(MOST_CANDIDATES);
  return rows.map(toIssuer);
}

/** @returns the entry's id; undefined when there is no such entry, or it is in that state already */
export async function setDisabled(
  trx: Knex.Transaction,
  which: { tenantId: string; issuer: string },
  at: { disabledAt: Date | null; now: Date },
): Promise<string | undefined> {
  const [row] = await trx('trusted_issuers')
    .where({ tenant_id: which.tenantId, issuer: which.issuer })
    .modify((query) => {
      if (at.disabledAt) query.whereNull('disabled_at');
      else query.whereNotNull('disabled_at');
    })
    .update({ disabled_at: at.disabledAt, updated_at: at.now })
    .returning('id');
  return row?.id;
}

/** @returns the entry's id; undefined when there was none */
export async function deleteIssuer(
  trx: Knex.Transaction,
  tenantId: string,
  issuer: string,
): Promise<string | undefined> {
  const [row] = await trx('trusted_issuers')
    .where({ tenant_id: tenantId, issuer })
    .delete()
    .returning('id');
  return row?.id;
}

/** Whom a subject is linked to, whatever the tenant: the caller compares it. */
export async function findLink(
  knex: Knex,
  issuer: string,
  subject: string,
): Promise<{ tenantId: string; userId: string } | undefined> {
  const row = await knex('external_identities')
    .where({ issuer, subject })
    .first('tenant_id', 'user_id');
  return row && { tenantId: row.tenant_id, userId: row.user_id };
}

/** Who a user is at other issuers. */
export async function listExternalIdentities(
  knex: Knex,
  userId: string,
): Promise<{ issuer: string; subject: string; linkedBy: string; createdAt: Date }[]> {
  return knex('external_identities')
    .where({ user_id: userId })
    .orderBy('issuer')
    .select('issuer', 'subject', { linkedBy: 'linked_by', createdAt: 'created_at' });
}

/** Inserts; a subject or user that is linked at this issuer already violates a constraint. */
export async function insertLink(trx: Knex.Transaction, link: ExternalIdentity): Promise<void> {
  await trx('external_identities').insert({
    id: link.id,
    tenant_id: link.tenantId,
    user_id: link.userId,
    issuer: link.issuer,
    subject: link.subject,
    linked_by: link.linkedBy,
    created_at: link.createdAt,
  });
}
