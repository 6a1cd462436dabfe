import type { Interaction } from 'oidc-provider';
import type { StoredClient } from '../features/client/index.ts';
import type { PageContext } from '../web/page-renderer.ts';
import type { MissingConsent } from './grants.ts';

/** An interaction with what its steps need of the client. */
export interface Step {
  interaction: Interaction;
  client: StoredClient;
  /** The tenant that the request demands; null leaves it open, undefined is nobody's. */
  tenantId: string | null | undefined;
  /** Classes of which a sign-in must reach one (RFC 9470 5); undefined where any will do. */
  acrValues: readonly string[] | undefined;
  csrfToken: string;
  page: PageContext;
}

/** What the consent prompt of the engine found missing. */
export function toMissingConsent(interaction: Interaction): MissingConsent {
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = interaction.prompt
    .details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  return {
    oidcScopes: missingOIDCScope ?? [],
    oidcClaims: missingOIDCClaims ?? [],
    resourceScopes: missingResourceScopes ?? {},
  };
}
