import { randomBytes } from 'node:crypto';
import { PAGES_CLIENT_ID } from '../features/client/index.ts';

/**
 * The path of an authorization of our own client: it ends with the browser back
 * at a page of ours, signed in.
 * @param returnUri where to; among the client's redirect URIs
 * @param more further parameters; those that are undefined or empty are left out
 */
export function pagesSignInPath(
  returnUri: string,
  more: Record<string, string | undefined> = {},
): string {
  const query = new URLSearchParams({
    client_id: PAGES_CLIENT_ID,
    redirect_uri: returnUri,
    response_type: 'code',
    scope: 'openid',
    // Nobody knows what it is the hash of: the code that comes is never exchanged.
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
  });
  for (const [name, value] of Object.entries(more)) if (value) query.set(name, value);
  return `/authorize?${query}`;
}
