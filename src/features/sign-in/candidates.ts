import type { TenantService } from '../tenant/index.ts';
import type { Identifier, UserService } from '../user/index.ts';

/** Whom a person says to be, and where. */
export interface Claim {
  /** The organisation that was typed, if any. */
  organisation: string | null;
  /** The tenant that the client or request demands; null leaves it open, undefined is nobody's. */
  tenantId: string | null | undefined;
}

export type Candidate = Awaited<ReturnType<UserService['findByIdentifier']>>[number];

export interface CandidateDeps {
  users: Pick<UserService, 'findByIdentifier'>;
  tenants: Pick<TenantService, 'findByName' | 'findByEmailDomain'>;
}

/** The tenant to look in: null means all, undefined that there is no such tenant. */
async function findTenantId(
  { tenants }: CandidateDeps,
  claim: Claim,
  identifier: Identifier,
): Promise<string | null | undefined> {
  if (claim.tenantId !== null) return claim.tenantId;
  if (claim.organisation) return (await tenants.findByName(claim.organisation))?.id;
  if (identifier.scheme !== 'email') return null;
  return (await tenants.findByEmailDomain(identifier.value))?.id ?? null;
}

/**
 * Finds the one user meant: in a tenant its own user before a guest; across
 * tenants only if unique. Every way to sign in or recover asks it alike.
 */
export const createFindCandidate =
  (deps: CandidateDeps) =>
  async (
    claim: Claim,
    identifier: Identifier | undefined,
  ): Promise<Candidate | 'ambiguous' | undefined> => {
    if (!identifier) return undefined;
    const tenantId = await findTenantId(deps, claim, identifier);
    if (tenantId === undefined) return undefined;
    const found = await deps.users.findByIdentifier(tenantId, identifier);
    const home = found.find((user) => user.isHome);
    if (home) return home;
    return found.length > 1 ? 'ambiguous' : found[0];
  };
