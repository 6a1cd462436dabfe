import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { type Answer, basic, postForm, type World } from './support.ts';

export const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const TYPE = 'urn:ietf:params:oauth:token-type:';
export const tokenType = (name: string): string => TYPE + name;

/** A confidential client that may exchange tokens; it signs nobody in. */
export const seedExchanger = (
  world: Pick<World, 'deps'>,
  tenantId: string,
  options: { isFirstParty?: boolean; metadata?: Record<string, unknown> } = {},
): Promise<TestClient> =>
  seedClient(world.deps, tenantId, {
    ...options,
    metadata: {
      client_name: 'Notes service',
      redirect_uris: [],
      post_logout_redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials', GRANT],
      ...options.metadata,
    },
  });

/** A token exchange request; a field that is undefined is left out. */
export function exchangeToken(
  url: string,
  client: TestClient,
  subjectToken: string | undefined,
  more: Record<string, string | undefined> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const fields = {
    grant_type: GRANT,
    subject_token: subjectToken,
    subject_token_type: tokenType('access_token'),
    ...more,
  };
  const present = Object.entries(fields).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return postForm(`${url}/token`, Object.fromEntries(present), { ...basic(client), ...headers });
}

/** A client's token for itself, which proves who acts. */
export async function ownToken(url: string, client: TestClient): Promise<string> {
  const { body } = await postForm(
    `${url}/token`,
    { grant_type: 'client_credentials' },
    basic(client),
  );
  return String(body.access_token);
}

/** The fields that name a client, or a person by their token, as the actor. */
export const actor = (token: string) => ({
  actor_token: token,
  actor_token_type: tokenType('access_token'),
});
