import assert from 'node:assert/strict';
import { createBrowserTests, press, servedDocument, textOf } from '../helpers/browser.ts';
import { begin, beginWith, createStage, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage({ settings: { DEMO_URL: 'http://127.0.0.1:4000/' } });
const application = await stage.startApplication();
const { person } = stage;

test('a client that nobody knows gets a page, not a redirect (RFC 9700 2.1)', async (open) => {
  const page = await open();
  const response = await beginWith(page, application, { client_id: 'nobody' });
  assert.equal(response.status(), 400);
  assert.ok(page.url().startsWith(`${stage.url}/authorize?`));
  assert.match(await textOf(page), /We don’t know this app/);
});

test('a redirect URI that is not registered is never visited (RFC 9700 4.11.2)', async (open) => {
  const page = await open();
  const visited: string[] = [];
  page.on('request', (request) => visited.push(new URL(request.url()).origin));
  const response = await beginWith(page, application, { redirect_uri: 'https://evil.example/cb' });
  assert.equal(response.status(), 400);
  assert.match(await textOf(page), /The app gave an address we don’t know/);
  assert.deepEqual(new Set(visited), new Set([stage.url]));
});

test('the reference on an error page is the request id of the answer and of the log', async (open) => {
  const page = await open();
  await beginWith(page, application, { client_id: 'nobody' });
  const id = servedDocument(page).headers()['x-request-id'];
  assert.ok(id);
  assert.equal(await textOf(page, '.reference code'), id);
  assert.ok(stage.logs.some(({ requestId }) => requestId === id));
});

test('an error page tells developers what the protocol says', async (open) => {
  const page = await open();
  await beginWith(page, application, { client_id: 'nobody' });
  await page.getByText('Details for developers').click();
  assert.equal(await page.locator('.technical code').first().isVisible(), true);
  assert.match(await textOf(page, '.technical'), /invalid_client.*client is invalid/);
});

test('what an application gets wrong is told to the application (RFC 9207)', async (open) => {
  const page = await open();
  await beginWith(page, application, { code_challenge_method: 'plain' });
  const { origin, searchParams } = new URL(page.url());
  assert.equal(origin, application.url);
  assert.equal(searchParams.get('error'), 'invalid_request');
  assert.equal(searchParams.get('iss'), stage.url);
});

test('an address without a page says so and leads home', async (open) => {
  const page = await open();
  const response = await page.goto(`${stage.url}/no/such/page`);
  assert.equal(response?.status(), 404);
  assert.match(await textOf(page), /There’s no page here/);
  await press(page, 'Go to the front page');
  assert.equal(page.url(), `${stage.url}/`);
});

test('the front page shows where discovery is, and leads to the demo', async (open) => {
  const page = await open();
  await page.goto(`${stage.url}/`);
  assert.match(await textOf(page), /You’re not signed in/);
  assert.equal(
    await page.getByRole('link', { name: 'Try the demo' }).getAttribute('href'),
    'http://127.0.0.1:4000/',
  );
  for (const name of ['Open the document', 'API reference']) {
    const href = await page.getByRole('link', { name }).getAttribute('href');
    const response = await page.request.get(new URL(href ?? '', stage.url).href);
    assert.equal(response.status(), 200, name);
    assert.match(response.headers()['content-type'] ?? '', /^application\/json/);
  }
});

test('the front page knows who is signed in, in the colours of their organisation', async (open) => {
  const page = await open();
  await begin(page, application);
  await submitSignIn(page, person.email, person.password);
  await page.goto(`${stage.url}/`);
  assert.match(await textOf(page), /You’re signed in TB Trần Văn Bình binh@lotus\.example/);
  assert.match(await page.title(), / – Lotus Health$/);
});
