import { errors, type KoaContextWithOIDC } from 'oidc-provider';

/** The grant type of RFC 8693. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

const TYPE = 'urn:ietf:params:oauth:token-type:';

/** Kinds of subject token that may be exchanged (RFC 8693 3). */
export type SubjectTokenType = 'access_token' | 'id_token' | 'jwt';

export const ACCESS_TOKEN_TYPE = `${TYPE}access_token`;

/** What the grant takes (RFC 8693 2.1); `tenant` chooses among trusted issuers of a platform client. */
export const PARAMETERS = [
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'resource',
  'audience',
  'scope',
  'tenant',
];

/** Those that may be given more than once; more than one target is then refused as such. */
export const REPEATABLE = ['resource', 'audience'];

export interface ExchangeRequest {
  subjectToken: string;
  subjectTokenType: SubjectTokenType;
  actorToken: string | undefined;
  /** The one resource indicator or logical name; undefined where the request names none. */
  target: string | undefined;
  /** Scopes asked for; undefined where the request names none. */
  scopes: ReadonlySet<string> | undefined;
  /** Slug or id. */
  tenant: string | undefined;
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

function requireText(params: Record<string, unknown>, name: string): string {
  const value = text(params[name]);
  if (value === undefined) throw new errors.InvalidRequest(`missing required parameter ${name}`);
  return value;
}

/**
 * A refresh token would hand its whole session over; a SAML assertion or a token
 * of an unknown kind cannot be checked here.
 */
function toSubjectType(type: string): SubjectTokenType {
  const name = type.startsWith(TYPE) ? type.slice(TYPE.length) : '';
  if (name === 'access_token' || name === 'id_token' || name === 'jwt') return name;
  throw new errors.InvalidRequest('this subject_token_type is not supported');
}

/** RFC 8693 2.1: `actor_token_type` is there exactly if `actor_token` is. */
function readActor(params: Record<string, unknown>): string | undefined {
  const token = text(params.actor_token);
  const type = text(params.actor_token_type);
  if ((token === undefined) !== (type === undefined)) {
    throw new errors.InvalidRequest('actor_token and actor_token_type come together or not at all');
  }
  if (type !== undefined && type !== ACCESS_TOKEN_TYPE && type !== `${TYPE}jwt`) {
    throw new errors.InvalidRequest('this actor_token_type is not supported');
  }
  return token;
}

/** `resource` is an address and `audience` a name (RFC 8693 2.1); here both look up the same table. */
function readTarget({ resource, audience }: Record<string, unknown>): string | undefined {
  const named = new Set(
    [resource, audience].flat().filter((value) => value !== undefined && value !== ''),
  );
  if (named.size > 1) throw new errors.InvalidTarget('only one target is supported');
  return text([...named][0]);
}

/**
 * Reads a token exchange request.
 * @throws InvalidRequest for what is missing, contradictory or not served;
 *   InvalidTarget for more than one target
 */
export function readRequest(ctx: KoaContextWithOIDC): ExchangeRequest {
  const params = (ctx.oidc.params ?? {}) as Record<string, unknown>;
  const requested = text(params.requested_token_type);
  if (requested !== undefined && requested !== ACCESS_TOKEN_TYPE && requested !== `${TYPE}jwt`) {
    throw new errors.InvalidRequest('this requested_token_type is not supported');
  }
  const scope = text(params.scope);
  return {
    subjectToken: requireText(params, 'subject_token'),
    subjectTokenType: toSubjectType(requireText(params, 'subject_token_type')),
    actorToken: readActor(params),
    target: readTarget(params),
    scopes: scope === undefined ? undefined : new Set(scope.split(' ')),
    tenant: text(params.tenant),
  };
}
