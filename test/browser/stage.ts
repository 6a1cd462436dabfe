import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import type { Page, Response } from 'playwright-core';
import { createRelyingParty } from '../../examples/relying-party/server.ts';
import type { Overrides } from '../../src/deps.ts';
import { press } from '../helpers/browser.ts';
import { seedPeople, startGatehouse, type TestClient } from '../helpers/gatehouse.ts';

export interface Person {
  id: string;
  email: string;
  username: string;
  phone: string;
  password: string;
}

interface ClientOptions {
  tenantId?: string;
  isFirstParty?: boolean;
  name?: string;
  metadata?: Record<string, unknown>;
}

/** The demo application, running, with its clients as they are registered. */
export interface Application {
  url: string;
  first: TestClient;
  second: TestClient;
}

export type Stage = Awaited<ReturnType<typeof createStage>>;

/** Gatehouse with an organisation, a person who has all three identifiers, and applications. */
export async function createStage(
  options: { settings?: Record<string, string>; overrides?: Overrides } = {},
) {
  // The browser's address comes in a header, so that each test has budgets of its own.
  const settings = { TRUSTED_PROXIES: '127.0.0.1', ...options.settings };
  const gatehouse = await startGatehouse({ ...options, settings });
  const { deps } = gatehouse;
  const platform = await deps.tenants.ensurePlatform();
  const { tenantId, user } = await seedPeople(deps);
  const phone = '+84901234567';
  const binh = await deps.users.create(
    { tenantId, email: 'binh@lotus.example', username: 'binh', phone, name: 'Trần Văn Bình' },
    user.password,
  );
  const person: Person = {
    id: binh.id,
    email: 'binh@lotus.example',
    username: 'binh',
    phone,
    password: user.password,
  };

  async function register(redirectUri: string, client: ClientOptions): Promise<TestClient> {
    const { client: stored, clientSecret } = await deps.clients.create({
      tenantId: client.tenantId ?? tenantId,
      isFirstParty: client.isFirstParty ?? true,
      metadata: {
        client_name: client.name ?? 'Lotus Portal',
        redirect_uris: [redirectUri],
        post_logout_redirect_uris: [`${new URL(redirectUri).origin}/`],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        ...client.metadata,
      },
    });
    return { clientId: stored.clientId, clientSecret: clientSecret ?? '', redirectUri };
  }

  return {
    ...gatehouse,
    platformId: platform.id,
    tenantId,
    person,
    register,
    /** @param host `localhost` for a second application beside one on the usual 127.0.0.1 */
    startApplication: (
      first: ClientOptions = {},
      second: ClientOptions = {},
      host: '127.0.0.1' | 'localhost' = '127.0.0.1',
    ) => startApplication(gatehouse.url, register, { first, second, host }),
  };
}

/** Another site than the provider: cookies of one are not those of the other. */
async function startApplication(
  issuer: string,
  register: (redirectUri: string, client: ClientOptions) => Promise<TestClient>,
  { first, second, host }: { first: ClientOptions; second: ClientOptions; host: string },
): Promise<Application> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://${host}:${(server.address() as AddressInfo).port}`;
  after(() => void server.close().closeAllConnections());
  const clients = {
    first: await register(`${url}/callback`, first),
    second: await register(`${url}/callback/second`, { name: 'Lotus Diary', ...second }),
  };
  server.on(
    'request',
    createRelyingParty({
      issuer,
      baseUrl: url,
      clientId: clients.first.clientId,
      clientSecret: clients.first.clientSecret,
      secondClient: clients.second,
      // What goes wrong is on its pages, where the tests look.
      log: () => undefined,
    }),
  );
  return { url, ...clients };
}

/** Opens the application and presses its button; the sign-in page comes, or the application again. */
export async function begin(
  page: Page,
  application: Application,
  button = 'Sign in',
): Promise<Response> {
  await page.goto(application.url);
  return press(page, button);
}

/** As `begin`, with further parameters in the authorization request. */
export async function beginWith(
  page: Page,
  application: Application,
  parameters: Record<string, string>,
): Promise<Response> {
  const started = await page
    .context()
    .request.post(`${application.url}/sign-in`, { maxRedirects: 0 });
  const url = new URL(started.headers().location ?? '');
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const response = await page.goto(url.href, { waitUntil: 'load' });
  assert.ok(response);
  return response;
}

/** Types into the form of the sign-in page and sends it. */
export async function submitSignIn(
  page: Page,
  identifier: string,
  password: string,
): Promise<Response> {
  await page.locator('#identifier').fill(identifier);
  await page.locator('#password').fill(password);
  return press(page, /^(Sign in|Đăng nhập)$/);
}

/** Whose name the application shows, if somebody is signed in to it. */
export const signedInAs = (page: Page): Promise<string[]> =>
  page.locator('.person h2').allTextContents();
