import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Deps } from '../src/deps.ts';
import type { NewUser } from '../src/features/user/index.ts';
import { newSecret } from '../src/kernel/ids.ts';

/** Where the generated passwords and client secrets are kept; only the owner can read it. */
export const DEMO_FILE = '.data/demo.json';

export interface DemoAccount {
  email: string;
  password: string;
}

export interface DemoClient {
  clientId: string;
  clientSecret: string;
  name: string;
}

/** What a newcomer needs to try everything. */
export interface Demo {
  /** Whether the passwords were made now: then they are shown, else they are in the file. */
  isNew: boolean;
  tenant: string;
  administrator: DemoAccount;
  user: DemoAccount;
  firstParty: DemoClient;
  thirdParty: DemoClient;
}

/** Bytes of a generated password: 96 bits, typed by nobody but copied. */
const PASSWORD_BYTES = 12;

/** Creates a user, or gives the one that is there a new password. @returns its id */
async function ensureUser(
  deps: Deps,
  password: string,
  user: NewUser & { email: string },
): Promise<string> {
  const identifier = { scheme: 'email', value: user.email } as const;
  const [present] = await deps.users.findByIdentifier(user.tenantId, identifier);
  if (!present) return (await deps.users.create(user, password)).id;
  await deps.users.setPassword(user.tenantId, present.id, password);
  return present.id;
}

/** Creates a client anew, with a new secret. */
async function recreateClient(
  deps: Deps,
  client: { tenantId: string; clientId: string; isFirstParty: boolean; name: string; rp: string },
): Promise<DemoClient> {
  if (await deps.clients.find(client.clientId)) {
    await deps.clients.delete(client.tenantId, client.clientId);
  }
  const { clientSecret } = await deps.clients.create({
    tenantId: client.tenantId,
    clientId: client.clientId,
    isFirstParty: client.isFirstParty,
    metadata: {
      client_name: client.name,
      client_uri: client.rp,
      redirect_uris: [`${client.rp}/callback`, `${client.rp}/callback/second`],
      post_logout_redirect_uris: [`${client.rp}/`],
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      response_types: ['code'],
    },
  });
  return { clientId: client.clientId, clientSecret: clientSecret ?? '', name: client.name };
}

/**
 * Fills an empty database with a demo tenant, an administrator, a user and two
 * clients of the relying party at `relyingParty`.
 * @returns what was made, or what an earlier run made; when its file is lost,
 *   passwords and secrets are made anew
 * @throws Error in production: demo accounts must not exist there (ASVS 6.3.2)
 */
export async function seedDemo(deps: Deps, relyingParty: string): Promise<Demo> {
  if (deps.config.isProduction) throw new Error('demo data is refused in production');
  if (existsSync(DEMO_FILE) && (await deps.tenants.findByName('demo'))) {
    return { ...(JSON.parse(await readFile(DEMO_FILE, 'utf8')) as Demo), isNew: false };
  }
  const platform = await deps.tenants.ensurePlatform();
  const tenant =
    (await deps.tenants.findByName('demo')) ??
    (await deps.tenants.create({ slug: 'demo', name: 'Lotus Health', colour: '#0f766e' }));
  // What there is to try, with the development inbox.
  await deps.tenants.updateSettings(tenant.id, { selfRegistration: true, emailCodeSignIn: true });
  const administrator = { email: 'admin@gatehouse.example', password: newSecret(PASSWORD_BYTES) };
  const user = { email: 'an.nguyen@lotus.example', password: newSecret(PASSWORD_BYTES) };
  const administratorId = await ensureUser(deps, administrator.password, {
    tenantId: platform.id,
    email: administrator.email,
    name: 'Gatehouse administrator',
    roles: ['super_admin'],
    emailVerified: true,
  });
  await deps.users.addToTenant(tenant.id, administratorId, ['tenant_admin']);
  await ensureUser(deps, user.password, {
    tenantId: tenant.id,
    email: user.email,
    username: 'an.nguyen',
    name: 'Nguyễn Thị An',
    givenName: 'An',
    familyName: 'Nguyễn',
    locale: 'vi',
    emailVerified: true,
  });
  const demo: Demo = {
    isNew: true,
    tenant: tenant.slug,
    administrator,
    user,
    firstParty: await recreateClient(deps, {
      tenantId: tenant.id,
      clientId: 'demo-first-party',
      isFirstParty: true,
      name: 'Lotus Portal',
      rp: relyingParty,
    }),
    thirdParty: await recreateClient(deps, {
      tenantId: tenant.id,
      clientId: 'demo-third-party',
      isFirstParty: false,
      name: 'Calendar by Example',
      rp: relyingParty,
    }),
  };
  await mkdir(dirname(DEMO_FILE), { recursive: true });
  await writeFile(DEMO_FILE, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
  return demo;
}
