import {
  errors,
  type Interaction,
  interactionPolicy,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import {
  type Acr,
  acrs,
  ONE_FACTOR,
  satisfies,
  strongerOf,
  tellAcr,
  weakestOf,
} from '../features/mfa/index.ts';

const { Check } = interactionPolicy;

/** What the authentication context classes of this service have in common. */
const OURS = 'urn:gatehouse:acr:';

/** The classes that a sign-in can reach here; discovery names these and no others. */
export const reachableAcrs: string[] = [...acrs];

/** What a request asks of `acr`, by the claims parameter (OpenID Connect Core 5.5.1.1). */
interface AcrRequest {
  essential?: unknown;
  value?: unknown;
  values?: unknown;
}

type Parameters = Record<string, unknown> | undefined;

/** What the claims parameter asks of `acr`; what is no JSON the engine refuses. */
function readClaim(claims: unknown): AcrRequest {
  if (typeof claims !== 'string') return {};
  try {
    const { id_token: idToken } = JSON.parse(claims) as {
      id_token?: { acr?: AcrRequest | null } | null;
    };
    return idToken?.acr ?? {};
  } catch {
    return {};
  }
}

/**
 * The classes that a request names, the one that it likes best first. The engine lets
 * `acr_values`, those of the client by default too, take the place of an essential claim;
 * here the claim counts, which says more.
 */
function readAsked(params: Parameters): { asked: string[]; isEssential: boolean } {
  const { essential, value, values } = readClaim(params?.claims);
  const claimed = [values ?? value ?? []].flat().map(String);
  if (claimed.length > 0) return { asked: claimed, isEssential: essential === true };
  const named = params?.acr_values;
  const asked = typeof named === 'string' ? named.split(' ').filter(Boolean) : [];
  return { asked, isEssential: false };
}

/**
 * The classes of which the sign-in must have one; undefined where any will do.
 * `acr_values` is voluntary in OpenID Connect Core 3.1.2.1 and not so in RFC 9470
 * 5, lest a client loop between an API that refuses its token and a server that
 * issues the same again. Our APIs name our classes: those are needed, and a
 * request that also, or only, names others stays a wish.
 */
export function neededAcrs(params: Parameters): string[] | undefined {
  const { asked, isEssential } = readAsked(params);
  if (asked.length === 0) return undefined;
  return isEssential || asked.every((acr) => acr.startsWith(OURS)) ? asked : undefined;
}

/** The class to tell in what a request is answered with: as it was asked for. */
export const acrToTell = (reached: string, params: Parameters): string =>
  tellAcr(reached, readAsked(params).asked);

/** The name of the reason for which the engine asks for a sign-in. */
const REASON = 'acr';

/**
 * Whether the session of this browser is good for the request but for its class: then
 * the rest is asked for, and not what it has shown already.
 */
export const isStepUp = ({ session, prompt }: Interaction): boolean =>
  session !== undefined &&
  prompt.name === 'login' &&
  prompt.reasons.length === 1 &&
  prompt.reasons[0] === REASON;

/** The class that is needed; undefined where no sign-in here would give any that is named. */
function findNeeded(params: Parameters): Acr | undefined {
  const named = neededAcrs(params);
  if (!named) return ONE_FACTOR;
  return named.some((acr) => reachableAcrs.includes(acr)) ? weakestOf(named) : undefined;
}

/**
 * Asks for a sign-in where the session's class is less than what is needed, and
 * refuses what no sign-in here would give.
 * @param findDemand what the acting tenant demands of its guests
 * @throws UnmetAuthenticationRequirements (OpenID Connect Core Unmet
 *   Authentication Requirements 1.0): without it the engine would ask again and again
 */
export const createAcrCheck = (findDemand: (ctx: KoaContextWithOIDC) => Promise<Acr>) =>
  new Check(
    REASON,
    'the requested authentication context class could not be obtained',
    'login_required',
    async (ctx) => {
      const named = findNeeded(ctx.oidc.params);
      const { acr: reached } = (ctx.oidc.session ?? {}) as { acr?: string };
      const needed = named && strongerOf(named, await findDemand(ctx));
      const isOpen = needed === ONE_FACTOR && neededAcrs(ctx.oidc.params) === undefined;
      if (isOpen || (needed && satisfies(reached, needed))) return Check.NO_NEED_TO_PROMPT;
      if (!needed || ctx.oidc.result?.login !== undefined) {
        throw new errors.UnmetAuthenticationRequirements(
          'none of the requested authentication context classes can be reached',
        );
      }
      return Check.REQUEST_PROMPT;
    },
  );
