import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import type { UserAgent } from '../helpers/user-agent.ts';
import type { World } from './support.ts';
import { basic, postForm } from './support.ts';

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** A client that asks for the device grant. */
export const seedDeviceClient = (
  world: Pick<World, 'deps' | 'people'>,
  options: { isFirstParty?: boolean; metadata?: Record<string, unknown> } = {},
): Promise<TestClient> =>
  seedClient(world.deps, world.people.tenantId, {
    isFirstParty: options.isFirstParty ?? true,
    metadata: {
      client_name: 'Lotus Television',
      redirect_uris: [],
      response_types: [],
      post_logout_redirect_uris: [],
      grant_types: [DEVICE_GRANT, 'refresh_token'],
      ...options.metadata,
    },
  });

export interface Started {
  device_code: string;
  user_code: string;
  verification_uri: string;
  verification_uri_complete: string;
  expires_in: number;
  interval: number;
}

/** Asks for a device code (RFC 8628 3.1). */
export async function startDevice(
  url: string,
  client: TestClient,
  form: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Started> {
  const { status, body } = await postForm(
    `${url}/device_authorization`,
    { scope: 'openid profile', ...form },
    { ...basic(client), 'user-agent': 'LotusTV/1.0', ...headers },
  );
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body as unknown as Started;
}

/** Polls for tokens once (RFC 8628 3.4). */
export const pollDevice = (url: string, client: TestClient, deviceCode: string) =>
  postForm(`${url}/token`, { grant_type: DEVICE_GRANT, device_code: deviceCode }, basic(client));

type Page = Awaited<ReturnType<UserAgent['follow']>>;

/** Types a code and sends it. */
export async function enterCode(agent: UserAgent, userCode: string): Promise<Page> {
  return agent.submit(await agent.follow('/device'), '/device', { user_code: userCode });
}

/** Types a code and answers the page that asks whether the device is one's own. */
export async function answerDevice(
  agent: UserAgent,
  userCode: string,
  answer: 'confirm' | 'abort',
): Promise<Page> {
  return agent.submit(await enterCode(agent, userCode), '/device', { [answer]: 'yes' });
}
