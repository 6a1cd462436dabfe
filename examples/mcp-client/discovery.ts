/** From the address of a protected resource to its authorization server (RFC 9728). */

/** What a resource says of itself. */
export interface ProtectedResource {
  /** Its identifier: what tokens are asked for, and made for. */
  resource: string;
  authorizationServer: URL;
  scopes: string[];
}

/** The address of the metadata in a challenge (RFC 9728 5.1), if it names one. */
export function metadataUrlOf(challenge: string | null): URL | undefined {
  const value = /\bresource_metadata="([^"]+)"/.exec(challenge ?? '')?.[1];
  return (value && URL.parse(value)) || undefined;
}

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

/**
 * Asks a resource without a token and reads what its challenge points to.
 * @throws when it asks for none, or its metadata are not its own
 */
export async function discoverResource(address: string): Promise<ProtectedResource> {
  const refused = await fetch(address, { redirect: 'error' });
  const url = metadataUrlOf(refused.headers.get('www-authenticate'));
  if (refused.status !== 401 || !url) throw new Error('the resource names no metadata');
  const response = await fetch(url, { redirect: 'error' });
  if (!response.ok) throw new Error(`the metadata cannot be read: ${response.status}`);
  const metadata = (await response.json()) as Record<string, unknown>;
  // Else somebody could have tokens made for another resource sent here (RFC 9728 3.3).
  if (metadata.resource !== address) throw new Error('the metadata are of another resource');
  const [server] = strings(metadata.authorization_servers);
  if (!server) throw new Error('the resource names no authorization server');
  return {
    resource: address,
    authorizationServer: new URL(server),
    scopes: strings(metadata.scopes_supported),
  };
}
