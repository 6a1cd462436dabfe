import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';
import { addressesIn, TRUSTING } from './sign-in-support.ts';
import { bearer, createWorld, getJson, introspect, refresh, signInForTokens } from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ settings: TRUSTING, overrides: { clock } });
const { url, client: lotusClient, people, deps } = world;
const lotus = people.tenantId;
const maple = (await deps.tenants.create({ slug: 'maple', name: 'Maple Clinic' })).id;
const platformId = (await deps.tenants.ensurePlatform()).id;
const platformClient = await seedClient(deps, platformId);
const PASSWORD = 'a password of some length';

const createIn = async (tenantId: string, email: string, username: string) =>
  (await deps.users.create({ tenantId, email, username }, PASSWORD)).id;

const bao = await createIn(maple, 'bao@maple.example', 'bao');
// One address, two people: each tenant knows its own.
const duplicateAtLotus = await createIn(lotus, 'duplicate@mail.example', 'duplicate');
const duplicateAtMaple = await createIn(maple, 'duplicate@mail.example', 'duplicate');
// At home at Maple, a member of Lotus.
const guest = await createIn(maple, 'guest@maple.example', 'guest');
await deps.postgres.knex('tenant_members').insert({
  tenant_id: lotus,
  user_id: guest,
  roles: ['auditor'],
  created_at: new Date(),
});

/** A browser at an address of its own: six failed sign-ins would close one for five minutes. */
const newAddress = addressesIn('198.51.100');
const newAgent = () => createUserAgent(url, { 'x-forwarded-for': newAddress() });

type Client = typeof platformClient;

/** Tries to sign in; the claims of the access token, or the status of the page that refuses. */
async function attempt(
  client: Client,
  identifier: string,
  options: { tenant?: string; organisation?: string; agent?: UserAgent } = {},
): Promise<ReturnType<typeof decodeJwt> | number> {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(
    configuration,
    client.redirectUri,
    options.tenant === undefined ? {} : { tenant: options.tenant },
  );
  const agent = options.agent ?? newAgent();
  const page = await agent.follow(request.url);
  const { organisation } = options;
  const end = await agent.submit(page, '/sign-in', {
    identifier,
    password: PASSWORD,
    ...(organisation === undefined ? {} : { organisation }),
  });
  if (end.url.origin === new URL(url).origin) return end.response.status;
  return decodeJwt((await exchange(configuration, request, end.url)).access_token);
}

async function assertSignsIn(trial: ReturnType<typeof attempt>, sub: string, tid: string) {
  const claims = await trial;
  assert.ok(typeof claims === 'object', `refused with ${String(claims)}`);
  assert.equal(claims.sub, sub);
  assert.equal(claims.tid, tid);
  return claims;
}

test("a tenant's client does not let in a user of another tenant, whatever the person types", async () => {
  assert.equal(await attempt(lotusClient, 'bao@maple.example'), 401);
  assert.equal(await attempt(lotusClient, 'bao@maple.example', { organisation: 'maple' }), 401);
  assert.equal(await attempt(lotusClient, 'bao@maple.example', { tenant: 'maple' }), 401);
});

test("a session of one tenant does not open another tenant's client (isolation)", async () => {
  const agent = newAgent();
  await assertSignsIn(attempt(platformClient, 'bao@maple.example', { agent }), bao, maple);
  const configuration = await discover(url, lotusClient);
  const request = await authorizationRequest(configuration, lotusClient.redirectUri, {
    prompt: 'none',
  });
  const { url: end } = await agent.follow(request.url);
  assert.equal(end.searchParams.get('error'), 'login_required');
});

test('a platform client takes a unique identifier without a question', async () => {
  await assertSignsIn(attempt(platformClient, 'bao@maple.example'), bao, maple);
  await assertSignsIn(attempt(platformClient, 'BAO'), bao, maple);
});

test('the tenant parameter, by slug or id, decides where to look', async () => {
  const who = 'duplicate@mail.example';
  await assertSignsIn(attempt(platformClient, who, { tenant: 'lotus' }), duplicateAtLotus, lotus);
  await assertSignsIn(attempt(platformClient, who, { tenant: maple }), duplicateAtMaple, maple);
  assert.equal(await attempt(platformClient, 'bao@maple.example', { tenant: 'lotus' }), 401);
});

test('the organisation that the person typed decides where the request leaves it open', async () => {
  const who = 'duplicate@mail.example';
  const at = (organisation: string) => attempt(platformClient, who, { organisation });
  await assertSignsIn(at('lotus'), duplicateAtLotus, lotus);
  await assertSignsIn(at(' MAPLE '), duplicateAtMaple, maple);
  assert.equal(await at('nowhere'), 401);
});

test('an unknown or malformed tenant is refused like wrong credentials, never an error of ours', async () => {
  for (const tenant of ['nowhere', '../etc', 'x'.repeat(500), '\u0000', "' OR 1=1"]) {
    assert.equal(await attempt(platformClient, 'bao@maple.example', { tenant }), 401, tenant);
  }
});

test('a verified mail domain leads to its tenant', async () => {
  await deps.postgres
    .knex('tenant_domains')
    .insert([{ domain: 'mail.example', tenant_id: maple, verified_at: new Date() }]);
  clock.advance(1_000);
  const trial = attempt(platformClient, 'duplicate@mail.example');
  await assertSignsIn(trial, duplicateAtMaple, maple);
  await deps.postgres.knex('tenant_domains').update({ verified_at: null });
  // Processes learn of it within a second.
  clock.advance(1_000);
  assert.equal(await attempt(platformClient, 'duplicate@mail.example'), 401, 'unverified');
});

test('an ambiguous identifier is answered like wrong credentials, with the organisation field', async () => {
  const configuration = await discover(url, platformClient);
  const request = await authorizationRequest(configuration, platformClient.redirectUri);
  const agent = newAgent();
  const page = await agent.follow(request.url);
  const refuse = async (identifier: string) => {
    const { response, html } = await agent.submit(page, '/sign-in', {
      identifier,
      password: PASSWORD,
    });
    return { status: response.status, html: html.replaceAll(identifier, '…') };
  };
  const ambiguous = await refuse('duplicate');
  const unknown = await refuse('nobody-at-all');
  assert.equal(ambiguous.status, 401);
  assert.equal(ambiguous.html.replace(/[\w-]{36}/g, ''), unknown.html.replace(/[\w-]{36}/g, ''));
  assert.match(ambiguous.html, /name="organisation"/);
});

test('a member of two tenants acts in the one that the authorization names', async () => {
  const both = [maple, lotus].sort();
  const who = 'guest@maple.example';
  const atHome = await assertSignsIn(attempt(platformClient, who), guest, maple);
  assert.deepEqual([...(atHome.tids as string[])].sort(), both);
  const away = attempt(platformClient, who, { tenant: 'lotus' });
  assert.deepEqual([...((await assertSignsIn(away, guest, lotus)).tids as string[])].sort(), both);
  await assertSignsIn(attempt(lotusClient, who), guest, lotus);
});

test('switching the acting tenant is a new authorization in the same session', async () => {
  const agent = newAgent();
  await assertSignsIn(attempt(platformClient, 'guest@maple.example', { agent }), guest, maple);
  const configuration = await discover(url, platformClient);
  const request = await authorizationRequest(configuration, platformClient.redirectUri, {
    tenant: 'lotus',
  });
  const { url: end } = await agent.follow(request.url);
  const tokens = await exchange(configuration, request, end);
  assert.equal(decodeJwt(tokens.access_token).tid, lotus);
});

test('whoever is no longer a member does not act there any more', async () => {
  const signedIn = await signInForTokens(world, {
    credentials: { identifier: 'guest@maple.example', password: PASSWORD },
  });
  await deps.postgres.knex('tenant_members').where({ tenant_id: lotus, user_id: guest }).delete();
  const configuration = await discover(url, lotusClient);
  const request = await authorizationRequest(configuration, lotusClient.redirectUri, {
    prompt: 'none',
  });
  const { url: end } = await signedIn.agent.follow(request.url);
  assert.equal(end.searchParams.get('error'), 'login_required');
  const me = await getJson(`${url}/api/v1/me`, bearer(signedIn.accessToken));
  assert.equal(me.status, 401);
  const introspection = await introspect(url, lotusClient, signedIn.accessToken);
  assert.equal(introspection.body.active, false);
  const { body } = await refresh(url, lotusClient, signedIn.refreshToken);
  assert.equal(body.error, 'invalid_grant', 'a refresh must not go on acting for that tenant');
});
