import assert from 'node:assert/strict';
import { startConsumers } from '../../src/jobs.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createMailbox, type Mailbox } from '../helpers/mailbox.ts';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';
import { basic, createWorld, postForm, type World } from './support.ts';

export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';

export interface CibaWorld extends World {
  mailbox: Mailbox;
}

/** A service that sends its mails to a server of the test, and works its queues off. */
export async function createCibaWorld(
  options: Parameters<typeof createWorld>[0] = {},
): Promise<CibaWorld> {
  const mailbox = await createMailbox();
  const settings = { SMTP_URL: mailbox.url, ...options.settings };
  const world = await createWorld({ ...options, settings });
  startConsumers(world.deps);
  return { ...world, mailbox };
}

/** A client that asks people by CIBA, by poll unless said otherwise. */
export const seedCibaClient = (
  world: Pick<World, 'deps' | 'people'>,
  options: { isFirstParty?: boolean; metadata?: Record<string, unknown> } = {},
): Promise<TestClient> =>
  seedClient(world.deps, world.people.tenantId, {
    isFirstParty: options.isFirstParty ?? true,
    metadata: {
      client_name: 'Lotus Till',
      redirect_uris: [],
      response_types: [],
      post_logout_redirect_uris: [],
      grant_types: [CIBA_GRANT, 'refresh_token'],
      backchannel_token_delivery_mode: 'poll',
      ...options.metadata,
    },
  });

/** Asks for somebody to be authenticated (CIBA Core 7.1). */
export const askCiba = (url: string, client: TestClient, form: Record<string, string>) =>
  postForm(`${url}/ciba`, { scope: 'openid profile', ...form }, basic(client));

/** As `askCiba`, and it has to be taken. @returns the auth_req_id */
export async function startCiba(
  url: string,
  client: TestClient,
  form: Record<string, string>,
): Promise<string> {
  const { status, body } = await askCiba(url, client, form);
  assert.equal(status, 200, JSON.stringify(body));
  return String(body.auth_req_id);
}

export const pollCiba = (url: string, client: TestClient, authReqId: string) =>
  postForm(`${url}/token`, { grant_type: CIBA_GRANT, auth_req_id: authReqId }, basic(client));

type Page = Awaited<ReturnType<UserAgent['follow']>>;

/** The link in the newest mail to this address. */
export async function takeLink(world: CibaWorld, to = world.people.user.email): Promise<string> {
  const { text } = await world.mailbox.take(to);
  const link = /^http\S+/m.exec(text)?.[0];
  assert.ok(link, text);
  return link;
}

/** Opens a link in a browser and signs in where that is asked. */
export async function openLink(
  world: CibaWorld,
  link: string,
  options: { agent?: UserAgent; credentials?: { identifier: string; password: string } } = {},
): Promise<{ agent: UserAgent; page: Page }> {
  const { user } = world.people;
  const agent = options.agent ?? createUserAgent(world.url);
  const credentials = options.credentials ?? { identifier: user.email, password: user.password };
  const page = await agent.follow(link);
  if (!page.url.pathname.startsWith('/interaction/')) return { agent, page };
  return { agent, page: await agent.submit(page, '/sign-in', credentials) };
}

/** Opens the link of the newest mail and answers. */
export async function answerMail(world: CibaWorld, decision: 'allow' | 'deny'): Promise<Page> {
  const link = await takeLink(world);
  const { agent, page } = await openLink(world, link);
  return agent.submit(page, new URL(link).pathname, { decision });
}

export const headingOf = ({ html }: { html: string }): string =>
  (/<h1>(.*?)<\/h1>/s.exec(html)?.[1] ?? '').replace(/<[^>]*>/g, '');
