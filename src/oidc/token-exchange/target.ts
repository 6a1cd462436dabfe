import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import type { GrantHelpers } from '../internals.ts';

/** A token that outlives the request is for refreshing; an exchange gives none. */
const NEVER = 'offline_access';

/** A resource server as the engine keeps it within a request. */
export interface Target extends ResourceServer {
  scopes: Set<string>;
  identifier(): string;
}

/**
 * The resource server that the new token is for: the one that is asked for, else
 * that of the subject token.
 * @param options `own`: the audience that the subject token has;
 *   `mayChange`: whether the client may leave it
 * @throws InvalidTarget for one that is unknown, not given, or not to be had
 */
export async function findTarget(
  ctx: KoaContextWithOIDC,
  helpers: GrantHelpers,
  options: { wanted: string | undefined; own: string | undefined; mayChange: boolean },
): Promise<Target> {
  const { wanted, own, mayChange } = options;
  const name = wanted ?? own;
  if (name === undefined) throw new errors.InvalidTarget('a resource or audience must be named');
  if (own !== undefined && name !== own && !mayChange) {
    throw new errors.InvalidTarget('the client may not leave the audience of the subject_token');
  }
  (ctx.oidc.params as Record<string, unknown>).resource = name;
  const [server] = await helpers.resolveRequestedResources(ctx);
  // What is looked up by introspection belongs to one client; what changes hands must not be.
  if (server?.accessTokenFormat !== 'jwt') throw new errors.InvalidTarget();
  return server as Target;
}

const difference = (left: ReadonlySet<string>, right: ReadonlySet<string>): string[] =>
  [...left].filter((scope) => !right.has(scope));

/**
 * The scope of the new token: within the subject token's, the client's
 * registration and the resource server's. What is asked for beyond them is
 * refused; what is not asked for is narrowed without a word (RFC 8693 2.1).
 * @param held scopes of the subject token; undefined for a token of a trusted
 *   issuer, whose scopes mean nothing here: then only what is asked for is given
 * @throws InvalidScope
 */
export function decideScope(
  ctx: KoaContextWithOIDC,
  helpers: GrantHelpers,
  options: {
    wanted: ReadonlySet<string> | undefined;
    held: ReadonlySet<string> | undefined;
    target: Target;
  },
): string | undefined {
  const { wanted, held, target } = options;
  const allowed = new Set(target.scopes);
  allowed.delete(NEVER);
  const registered = ctx.oidc.client?.scope?.split(' ');
  if (wanted === undefined) {
    const kept = [...(held ?? [])].filter(
      (scope) => allowed.has(scope) && (registered?.includes(scope) ?? true),
    );
    return kept.join(' ') || undefined;
  }
  const missing = [
    ...(held ? difference(wanted, held) : []),
    ...difference(wanted, allowed),
    ...(registered ? difference(wanted, new Set(registered)) : []),
  ];
  if (missing.length > 0) {
    const names = [...new Set(missing)].join(' ');
    throw new errors.InvalidScope('requested scope is more than can be given', names);
  }
  helpers.validateClientScope(ctx, wanted);
  return [...wanted].join(' ');
}
