import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { StoredClient } from '../../features/client/index.ts';
import type { TenantService } from '../../features/tenant/index.ts';
import type { TrustedIssuerService } from '../../features/trusted-issuer/index.ts';
import { AppError } from '../../kernel/errors.ts';
import { orUnavailable } from '../dependency-errors.ts';
import { platformResource } from '../resources.ts';
import { readForeignAct } from './actor.ts';
import type { ExchangeRequest } from './request.ts';
import { findPerson, type Subject } from './subject.ts';

export interface ForeignDeps {
  issuer: string;
  tenants: Pick<TenantService, 'find' | 'findByName'>;
  trustedIssuers: Pick<TrustedIssuerService, 'authenticate'>;
}

/**
 * Whose trusted issuers count: those of the client's tenant. A client of the
 * platform may name a tenant; null leaves it open.
 */
async function findTenant(
  client: StoredClient,
  wanted: string | undefined,
  { tenants }: ForeignDeps,
): Promise<string | null> {
  const owner = await tenants.find(client.tenantId);
  if (!owner?.isPlatform) return client.tenantId;
  if (wanted === undefined) return null;
  const found = await tenants.findByName(wanted);
  if (!found) throw new errors.InvalidRequest('there is no such tenant');
  return found.id;
}

/** What the feature refuses is an unacceptable token (RFC 8693 2.2.2). */
function toProtocol(error: unknown): unknown {
  if (!(error instanceof AppError) || error.status >= 500) return error;
  const why = error.options.detail ?? 'its subject is linked elsewhere';
  return new errors.InvalidRequest(`the subject_token is not accepted: ${why}`, undefined, {
    cause: error,
  });
}

/** A binding that cannot be checked here is no reason to take the token without it. */
function readBinding(cnf: Record<string, unknown> | undefined) {
  const { jkt, 'x5t#S256': x5t, ...others } = cnf ?? {};
  const isText = [jkt, x5t].every((value) => value === undefined || typeof value === 'string');
  if (Object.keys(others).length > 0 || !isText) {
    throw new errors.InvalidRequest('the subject_token is bound in a way that is not known here');
  }
  return { jkt: jkt as string | undefined, x5t: x5t as string | undefined };
}

/**
 * Reads a token of an issuer that the tenant trusts: the user whom it is about,
 * signed in elsewhere. Of its claims only who, when and for how long are ours.
 * @throws InvalidRequest; TemporarilyUnavailable while the issuer's keys cannot be had
 */
export async function readForeign(
  ctx: KoaContextWithOIDC,
  request: ExchangeRequest,
  client: StoredClient,
  deps: ForeignDeps,
): Promise<Subject> {
  const tenantId = await orUnavailable(() => findTenant(client, request.tenant, deps));
  const found = await orUnavailable(() =>
    deps.trustedIssuers.authenticate(request.subjectToken, {
      type: request.subjectTokenType,
      tenantId,
    }),
  ).catch((error: unknown) => {
    throw toProtocol(error);
  });
  const person = { accountId: found.userId, tid: found.tenantId };
  const account = await findPerson(ctx, person, 'subject_token');
  return {
    ...readBinding(found.cnf),
    account,
    tid: found.tenantId,
    clientId: undefined,
    issuer: found.issuer,
    scopes: undefined,
    aud: platformResource(deps.issuer),
    exp: found.notAfter,
    grant: undefined,
    sid: undefined,
    amr: ['fed'],
    acr: undefined,
    authTime: found.authTime,
    act: readForeignAct(found.act, found.issuer),
    mayAct: found.mayAct,
  };
}
