import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { clientMetadata, readResource } from '../../examples/mcp-client/client.ts';
import { createResourceServer } from '../../examples/resource-server/server.ts';
import { createWorld } from '../flows/support.ts';
import { startSite } from '../helpers/site.ts';
import { createUserAgent } from '../helpers/user-agent.ts';

const SCOPE = 'notes:read';
const site = await startSite();
const world = await createWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: site.host },
  overrides: { outbound: { ca: site.ca } },
});
const { url, deps, people } = world;

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let answer: RequestListener = (_request, response) => response.writeHead(503).end();
const api = await listen((request, response) => answer(request, response));
const notes = `${api}/notes`;
answer = createResourceServer({ issuer: url, resource: notes, scope: SCOPE });

const platform = await deps.tenants.ensurePlatform();
await deps.resourceServers.create({
  tenantId: platform.id,
  audience: notes,
  name: 'Notes',
  scopes: [{ name: SCOPE, description: 'Read your notes' }],
});

/** The person: signs in, allows, and the browser goes back to the client. */
async function openBrowser(target: URL): Promise<void> {
  const agent = createUserAgent(url);
  const page = await agent.follow(target);
  const consent = await agent.submit(page, '/sign-in', {
    identifier: people.user.email,
    password: people.user.password,
  });
  assert.match(consent.html, /Example MCP client/);
  assert.match(consent.html, /Read your notes/);
  const end = await agent.submit(consent, '/consent', { decision: 'allow' });
  await (await fetch(end.url)).text();
}

interface Notes {
  sub: string;
  client: string;
  notes: unknown[];
}

test('from the address of a resource alone, known by a document of its own', async () => {
  const documentUrl = `${site.url}/mcp-client.json`;
  site.put('/mcp-client.json', { client_id: documentUrl, ...clientMetadata(SCOPE) });
  const { clientId, body } = await readResource(notes, { openBrowser, documentUrl });
  assert.equal(clientId, documentUrl);
  const { sub, client, notes: found } = body as Notes;
  assert.equal(sub, people.user.id);
  assert.equal(client, documentUrl);
  assert.equal(found.length, 1);
});

test('from the address of a resource alone, by dynamic registration', async () => {
  const { token } = await deps.initialAccessTokens.create({ tenantId: people.tenantId });
  const { clientId, body } = await readResource(notes, { openBrowser, initialAccessToken: token });
  assert.equal((body as Notes).client, clientId);
  assert.equal((body as Notes).sub, people.user.id);
  assert.ok((await deps.clients.find(clientId))?.selfRegisteredAt);
});

test('a challenge names the metadata, and these the provider (RFC 9728 3, 5.1)', async () => {
  const refused = await fetch(notes);
  const metadataUrl = `${api}/.well-known/oauth-protected-resource/notes`;
  assert.equal(refused.status, 401);
  assert.ok(
    refused.headers.get('www-authenticate')?.includes(`resource_metadata="${metadataUrl}"`),
  );
  assert.deepEqual(await (await fetch(metadataUrl)).json(), {
    resource: notes,
    authorization_servers: [url],
    scopes_supported: [SCOPE],
    bearer_methods_supported: ['header'],
  });
});

test('metadata of another resource are not believed (RFC 9728 3.3)', async () => {
  const impostor = await listen((request, response) => {
    if (request.url === '/metadata') {
      return response.end(JSON.stringify({ resource: notes, authorization_servers: [url] }));
    }
    const at = `resource_metadata="http://${request.headers.host}/metadata"`;
    response.writeHead(401, { 'www-authenticate': `Bearer ${at}` }).end();
  });
  const attempt = readResource(`${impostor}/notes`, {
    openBrowser: () => assert.fail('the person was asked'),
  });
  await assert.rejects(attempt, /another resource/);
});

test('without a document and without an initial access token nobody is registered', async () => {
  const attempt = readResource(notes, { openBrowser: () => assert.fail('the person was asked') });
  await assert.rejects(attempt);
});
