/** What a client may know of this resource server before it has a token (RFC 9728). */

export interface ResourceMetadata {
  /** Where the document lies; challenges name it in `resource_metadata` (RFC 9728 5.1). */
  url: string;
  path: string;
  document: {
    resource: string;
    authorization_servers: string[];
    scopes_supported: string[];
    bearer_methods_supported: string[];
  };
}

/** @param resource the identifier, an address of this server, which tokens name as audience */
export function describeResource(resource: string, issuer: string, scope: string) {
  const { origin, pathname } = new URL(resource);
  // The well-known part stands between host and path (RFC 9728 3.1).
  const path = `/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
  return {
    url: origin + path,
    path,
    document: {
      resource,
      authorization_servers: [issuer],
      scopes_supported: [scope],
      bearer_methods_supported: ['header'],
    },
  } satisfies ResourceMetadata;
}
