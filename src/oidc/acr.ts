import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';

const { Check } = interactionPolicy;

/** What the authentication context classes of this service have in common. */
const OURS = 'urn:gatehouse:acr:';

/** The classes that a sign-in can reach here; discovery names these and no others. */
export const reachableAcrs = [`${OURS}1fa`];

/** What a request asks of `acr`, by the claims parameter or `acr_values` (OpenID Connect Core 5.5.1.1). */
interface AcrRequest {
  essential?: unknown;
  value?: unknown;
  values?: unknown;
}

/**
 * The classes of which the sign-in must have one; undefined where any will do.
 * `acr_values` is voluntary in OpenID Connect Core 3.1.2.1 and not so in RFC 9470
 * 5, lest a client loop between an API that refuses its token and a server that
 * issues the same again. Our APIs name our classes: those are needed, and a
 * request that also, or only, names others stays a wish.
 */
function neededAcrs(ctx: KoaContextWithOIDC): string[] | undefined {
  const { id_token: idToken } = ctx.oidc.claims as { id_token?: { acr?: AcrRequest | null } };
  const { essential, value, values } = idToken?.acr ?? {};
  const asked = [values ?? value ?? []].flat().map(String);
  if (asked.length === 0) return undefined;
  return essential === true || asked.every((acr) => acr.startsWith(OURS)) ? asked : undefined;
}

/**
 * Asks for a sign-in where the session's class is not one that is needed, and
 * refuses what no sign-in here would give.
 * @throws UnmetAuthenticationRequirements (OpenID Connect Core Unmet
 *   Authentication Requirements 1.0): without it the engine would ask again and again
 */
export const acrCheck = new Check(
  'acr',
  'the requested authentication context class could not be obtained',
  'login_required',
  (ctx) => {
    const needed = neededAcrs(ctx);
    if (!needed || needed.includes(ctx.oidc.acr ?? '')) return Check.NO_NEED_TO_PROMPT;
    const hasSignedIn = ctx.oidc.result?.login !== undefined;
    if (hasSignedIn || !needed.some((acr) => reachableAcrs.includes(acr))) {
      throw new errors.UnmetAuthenticationRequirements(
        'none of the requested authentication context classes can be reached',
      );
    }
    return Check.REQUEST_PROMPT;
  },
);
