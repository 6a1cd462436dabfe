import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { createBrowserTests, press, textOf } from '../helpers/browser.ts';
import { begin, beginWith, createStage, signedInAs, submitSignIn } from './stage.ts';

const test = await createBrowserTests();
const stage = await createStage();
const third = { isFirstParty: false, name: 'Acme Calendar' };
const foreign = await stage.startApplication(third, third);
const own = await stage.startApplication();
const { person } = stage;

async function reachConsent(page: Page): Promise<void> {
  await begin(page, foreign);
  await submitSignIn(page, person.email, person.password);
  assert.match(await textOf(page), /Let Acme Calendar use your Lotus Health account\?/);
}

test('a third party’s client is let in once the person allows it (ASVS 10.7.1)', async (open) => {
  const page = await open();
  await reachConsent(page);
  const text = await textOf(page);
  assert.ok(text.includes(new URL(foreign.url).host), 'where the answer goes');
  assert.match(text, /Trần Văn Bình binh@lotus\.example/);
  for (const line of ['Recognise you', 'See your name', 'See your e-mail']) {
    assert.ok(text.includes(line), line);
  }
  assert.doesNotMatch(text, /phone number|Keep access/, 'only what is asked for (ASVS 10.4.11)');
  await press(page, 'Allow');
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('what was allowed once is not asked again, but anything more is', async (open) => {
  const page = await open();
  await reachConsent(page);
  await press(page, 'Allow');
  await beginWith(page, foreign, {});
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
  await beginWith(page, foreign, { scope: 'openid profile email phone' });
  const text = await textOf(page);
  assert.match(text, /See your phone number/);
  assert.doesNotMatch(text, /See your e-mail/);
});

test('what was allowed to one client is not allowed to another', async (open) => {
  const page = await open();
  await reachConsent(page);
  await press(page, 'Allow');
  await press(page, 'Sign in with the second client');
  assert.match(await textOf(page), /Let Acme Calendar use/);
});

test('what was allowed in one browser session is asked anew in another', async (open) => {
  for (const page of [await open(), await open()]) {
    await reachConsent(page);
    await press(page, 'Allow');
  }
});

test('the person may refuse, and the client learns that and nothing else', async (open) => {
  const page = await open();
  await reachConsent(page);
  await press(page, 'Don’t allow');
  const { origin, searchParams } = new URL(page.url());
  assert.equal(origin, foreign.url);
  assert.deepEqual([...searchParams.keys()].sort(), ['error', 'error_description', 'iss', 'state']);
  assert.equal(searchParams.get('error'), 'access_denied');
  await press(page, 'Back to the start');
  assert.deepEqual(await signedInAs(page), []);
  await press(page, 'Sign in');
  assert.match(await textOf(page), /Let Acme Calendar use/, 'asked again, signed in still');
});

test('prompt=none without consent comes back with consent_required', async (open) => {
  const page = await open();
  await begin(page, own);
  await submitSignIn(page, person.email, person.password);
  await beginWith(page, foreign, { prompt: 'none' });
  assert.equal(new URL(page.url()).searchParams.get('error'), 'consent_required');
});

test('the organisation’s own client asks for no consent', async (open) => {
  const page = await open();
  await begin(page, own);
  await submitSignIn(page, person.email, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('links of the client open elsewhere and only lead to the web', async (open) => {
  const linked = await stage.startApplication({
    isFirstParty: false,
    name: '<script>alert(1)</script>',
    metadata: {
      client_uri: 'https://acme.example/',
      policy_uri: 'https://acme.example/privacy',
      tos_uri: 'https://acme.example/terms',
    },
  });
  const page = await open();
  await begin(page, linked);
  await submitSignIn(page, person.email, person.password);
  assert.match(await textOf(page), /Let <script>alert\(1\)<\/script> use/);
  const links = page.locator('.links a');
  assert.equal(await links.count(), 3);
  for (const link of await links.all()) {
    assert.match((await link.getAttribute('href')) ?? '', /^https:\/\/acme\.example\//);
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
  }
});
