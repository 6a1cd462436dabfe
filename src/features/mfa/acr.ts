/**
 * The authentication context classes of this service, the weakest first: one
 * factor, two, and what no page of somebody else can ask for (phishing-resistant).
 * A higher one satisfies a request for a lower one.
 */
export const acrs = [
  'urn:gatehouse:acr:1fa',
  'urn:gatehouse:acr:2fa',
  'urn:gatehouse:acr:phr',
] as const;
export type Acr = (typeof acrs)[number];

export const [ONE_FACTOR, TWO_FACTORS, PHISHING_RESISTANT] = acrs;

/** Its place in the order; -1 for a class that is none of ours. */
const rankOf = (acr: string | null | undefined): number => acrs.indexOf(acr as Acr);

/** Whether a class that was reached is at least the one that is needed, both of ours. */
export const satisfies = (reached: string | null | undefined, needed: Acr): boolean =>
  rankOf(reached) >= rankOf(needed);

/** The class of a sign-in with these methods (RFC 8176). */
export function acrOf(amr: readonly string[]): Acr {
  // A key that verified its user is two factors by itself (SP 800-63B-4 3.1.7).
  if (amr.includes('webauthn') && amr.includes('user')) return PHISHING_RESISTANT;
  return amr.includes('mfa') ? TWO_FACTORS : ONE_FACTOR;
}

/** The weakest class of ours among those named, any of which will do; one factor where none is. */
export function weakestOf(named: readonly string[] | undefined): Acr {
  const ranks = (named ?? []).map(rankOf).filter((rank) => rank >= 0);
  return acrs[Math.min(...ranks)] ?? ONE_FACTOR;
}

/** The stronger of two. */
export const strongerOf = (a: Acr, b: Acr): Acr => (rankOf(a) >= rankOf(b) ? a : b);

/**
 * The class to tell: the first of those asked for that was reached, so that a
 * client that compares finds its own word; else what was reached.
 */
export function tellAcr(reached: string, asked: readonly string[] | undefined): string {
  const told = asked?.find((acr) => rankOf(acr) >= 0 && rankOf(reached) >= rankOf(acr));
  return told ?? reached;
}
