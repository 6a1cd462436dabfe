import type { Account, AccountClaims, Configuration } from 'oidc-provider';
import type { User } from '../features/user/index.ts';

/** Which claims each scope gives (OpenID Connect Core 5.4). */
export const scopeClaims = {
  // How and when the person authenticated, in every ID token without asking for it.
  openid: ['sub', 'auth_time', 'acr', 'amr'],
  profile: [
    'name',
    'given_name',
    'family_name',
    'preferred_username',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  iss: null,
  sid: null,
} satisfies Configuration['claims'];

/** The claims that a scope gives; none for one that is no scope of OpenID Connect. */
export const claimsOfScope = (scope: string): readonly string[] =>
  (scopeClaims as Record<string, readonly string[] | null>)[scope] ?? [];

/** Claims of a person that a client may ask for one by one. */
export const supportedClaims: ReadonlySet<string> = new Set(
  Object.values(scopeClaims).flatMap((claims) => claims ?? []),
);

/** An account as the engine sees it: light to make, claims computed when asked for. */
export interface TenantAccount extends Account {
  readonly user: User;
  /** Every tenant the user belongs to, the home tenant included. */
  readonly tenantIds: string[];
}

function toClaims(user: User): AccountClaims {
  const claims = {
    sub: user.id,
    name: user.name ?? ([user.givenName, user.familyName].filter(Boolean).join(' ') || null),
    given_name: user.givenName,
    family_name: user.familyName,
    preferred_username: user.username,
    zoneinfo: user.zoneinfo,
    locale: user.locale,
    updated_at: Math.floor(user.updatedAt.getTime() / 1000),
    email: user.email,
    email_verified: user.email === null ? null : user.emailVerified,
    phone_number: user.phone,
    phone_number_verified: user.phone === null ? null : user.phoneVerified,
  };
  // A claim without a value is left out, never null (OpenID Connect Core 5.3.2).
  return Object.fromEntries(
    Object.entries(claims).filter(([, value]) => value !== null),
  ) as unknown as AccountClaims;
}

export const toAccount = (user: User, tenantIds: string[]): TenantAccount => ({
  accountId: user.id,
  user,
  tenantIds,
  claims: async () => toClaims(user),
});
