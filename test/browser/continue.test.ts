import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { checkAccessibility, createBrowserTests, press, textOf } from '../helpers/browser.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createStage, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage();
const { person } = stage;

/** Forms that the application was posted, each with the address that it came from. */
const received: URLSearchParams[] = [];

const application = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'POST')
      received.push(new URLSearchParams(String(Buffer.concat(chunks))));
    response.setHeader('content-type', 'text/html');
    response.end(
      '<!DOCTYPE html><title>Here</title><link rel="icon" href="data:,"><main>Here</main>',
    );
  });
});
await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
after(() => void application.close().closeAllConnections());
const callback = `http://127.0.0.1:${(application.address() as AddressInfo).port}/callback?a=1&b=2`;
const client = await stage.register(callback, {});
const configuration = await discover(stage.url, client);

const STATE = `"'><script>document.title='evil'</script>&quot;&amp;lt;\u202E\u0001 ữ 😀 +%22`;

for (const javaScript of [true, false]) {
  const how = javaScript ? 'by itself' : 'by a button, without scripts';
  test(`an answer is posted to the application ${how}, every character of it`, async (open) => {
    const page = await open({ javaScript });
    const { url } = await authorizationRequest(configuration, client.redirectUri, {
      response_mode: 'form_post',
      state: STATE,
    });
    await page.goto(url.href);
    const before = received.length;
    await submitSignIn(page, person.email, person.password);
    if (javaScript) await page.waitForURL(callback);
    else {
      assert.match(await textOf(page), /^Lotus Health Almost there/);
      assert.equal(await page.locator('.languages').count(), 0, 'it is there once only');
      await press(page, 'Continue');
    }
    assert.equal(page.url(), callback);
    assert.equal(received.length, before + 1);
    const form = received.at(-1);
    assert.equal(form?.get('state'), STATE);
    assert.equal(form?.get('iss'), stage.url);
    assert.ok(form?.get('code'));
  });
}

test('the page that goes on does not stay in the history', async (open) => {
  const page = await open({ javaScript: true });
  await page.goto(`${stage.url}/`);
  await page.goto(`${stage.url}/logout`);
  await page.waitForURL(`${stage.url}/logout/success`);
  await page.goBack();
  assert.equal(page.url(), `${stage.url}/`);
});

test('a refusal is posted as well, on a page that is as good', async (open) => {
  const page = await open({ javaScript: true });
  await page.route('**/assets/continue.js*', (route) =>
    route.fulfill({ contentType: 'text/javascript', body: '' }),
  );
  const { url } = await authorizationRequest(configuration, client.redirectUri, {
    response_mode: 'form_post',
    prompt: 'none',
  });
  const response = await page.goto(url.href);
  assert.equal(response?.status(), 400);
  await checkAccessibility(page);
  await press(page, 'Continue');
  assert.equal(received.at(-1)?.get('error'), 'login_required');
});
