import assert from 'node:assert/strict';
import * as client from 'openid-client';
import type { Page } from 'playwright-core';
import { createBrowserTests, press, textOf } from '../helpers/browser.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { begin, beginWith, createStage, signedInAs, submitSignIn } from './stage.ts';

// A quarter of an hour behind, so that a sign-in is old as soon as it is made.
const AGE = 900;

const test = await createBrowserTests();
const stage = await createStage({
  overrides: { clock: createFakeClock(Date.now() - AGE * 1_000) },
});
const application = await stage.startApplication();
const { person } = stage;
const configuration = await discover(stage.url, application.first);

const isSignIn = async (page: Page): Promise<boolean> =>
  (await page.locator('#password').count()) === 1;

async function signIn(page: Page): Promise<void> {
  await begin(page, application);
  await submitSignIn(page, person.email, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
}

const sessionCookie = async (page: Page): Promise<string | undefined> =>
  (await page.context().cookies(stage.url)).find(({ name }) => name === 'gh_session')?.value;

/** Lets the browser fetch a code that the application does not use, and exchanges it here. */
async function takeCode(page: Page) {
  const { redirectUri } = application.first;
  const request = await authorizationRequest(configuration, redirectUri);
  const response = await page.goto(request.url.href, { waitUntil: 'load' });
  assert.equal(response?.status(), 400, 'the application has not started this');
  return { request, redirect: new URL(page.url()) };
}

const refused = (error: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof client.ResponseBodyError);
  assert.equal(thrown.error, error);
  return true;
};

test('a second client is signed in without a second password', async (open) => {
  const page = await open();
  await signIn(page);
  await press(page, 'Sign in with the second client');
  assert.equal(page.url(), `${application.url}/`);
  assert.equal((await signedInAs(page)).length, 2);
});

test('another browser is not signed in by it', async (open) => {
  await signIn(await open());
  const page = await open();
  await begin(page, application);
  assert.ok(await isSignIn(page));
});

test('the session id changes with every sign-in (ASVS 7.2.4)', async (open) => {
  const page = await open();
  await page.goto(`${stage.url}/`);
  await begin(page, application);
  const before = await sessionCookie(page);
  await submitSignIn(page, person.email, person.password);
  const first = await sessionCookie(page);
  assert.ok(first && first !== before);
  await beginWith(page, application, { prompt: 'login' });
  await submitSignIn(page, person.email, person.password);
  const second = await sessionCookie(page);
  assert.ok(second && second !== first);
  await page.context().addCookies([{ name: 'gh_session', value: first, url: stage.url }]);
  await beginWith(page, application, {});
  assert.ok(await isSignIn(page), 'the old id opens nothing');
});

test('prompt=none without a session comes back with login_required', async (open) => {
  const page = await open();
  await beginWith(page, application, { prompt: 'none' });
  assert.equal(new URL(page.url()).searchParams.get('error'), 'login_required');
  assert.match(await textOf(page), /Please sign in/);
});

test('prompt=none with a session signs in unseen', async (open) => {
  const page = await open();
  await signIn(page);
  await beginWith(page, application, { prompt: 'none' });
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('prompt=login asks for the password although there is a session', async (open) => {
  const page = await open();
  await signIn(page);
  await beginWith(page, application, { prompt: 'login' });
  assert.ok(await isSignIn(page));
  await submitSignIn(page, person.email, person.password);
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
});

test('max_age asks again once the sign-in is older, and not before', async (open) => {
  const page = await open();
  await signIn(page);
  await beginWith(page, application, { max_age: String(AGE * 2) });
  assert.deepEqual(await signedInAs(page), ['Trần Văn Bình']);
  await beginWith(page, application, { max_age: String(AGE / 2) });
  assert.ok(await isSignIn(page));
});

test('the application refreshes its tokens', async (open) => {
  const page = await open();
  await signIn(page);
  for (const _ of ['once', 'and again']) {
    await press(page, 'Refresh tokens');
    assert.match(await textOf(page), /New tokens are here/);
  }
});

test('a refresh token used twice ends the whole family and the session (RFC 9700 4.14)', async (open) => {
  const page = await open();
  await signIn(page);
  const { request, redirect } = await takeCode(page);
  const first = await exchange(configuration, request, redirect);
  const second = await client.refreshTokenGrant(configuration, String(first.refresh_token));
  const replay = client.refreshTokenGrant(configuration, String(first.refresh_token));
  await assert.rejects(replay, refused('invalid_grant'));
  const heir = client.refreshTokenGrant(configuration, String(second.refresh_token));
  await assert.rejects(heir, refused('invalid_grant'));
  await page.goto(application.url);
  await press(page, 'Refresh tokens');
  assert.match(await textOf(page), /This sign-in is over/);
  await press(page, 'Sign in');
  assert.ok(await isSignIn(page), 'the session is over as well');
});

test('a code used twice is refused, and what it brought is revoked (RFC 9700 4.5)', async (open) => {
  const page = await open();
  await signIn(page);
  const { request, redirect } = await takeCode(page);
  const tokens = await exchange(configuration, request, redirect);
  await client.fetchUserInfo(configuration, tokens.access_token, person.id);
  const replay = exchange(configuration, request, redirect);
  await assert.rejects(replay, refused('invalid_grant'));
  const refresh = client.refreshTokenGrant(configuration, String(tokens.refresh_token));
  await assert.rejects(refresh, refused('invalid_grant'));
  const use = client.fetchUserInfo(configuration, tokens.access_token, person.id);
  await assert.rejects(use, client.WWWAuthenticateChallengeError);
});
