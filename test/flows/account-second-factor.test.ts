import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../helpers/clock.ts';
import { isSentToSignIn } from './account-support.ts';
import { CHEAP_HASHES } from './auth-support.ts';
import { enterPassword, newBrowser, stepOf } from './factor-pages-support.ts';
import { addApp, addPerson } from './mfa-support.ts';
import { MINUTE } from './proof-support.ts';
import { TRUSTING } from './sign-in-support.ts';
import { createWorld } from './support.ts';

// Behind the engine's own clock: codes, which live a minute by that, outlast those of apps here.
const clock = createFakeClock(Date.now() - 5 * MINUTE);
const world = {
  ...(await createWorld({ settings: { ...CHEAP_HASHES, ...TRUSTING }, overrides: { clock } })),
  clock,
};
const { url, deps } = world;
const TWO_FACTORS = 'urn:gatehouse:acr:2fa';

/** The parameters of the authorization that a page leads to; none where it is shown. */
function askedBy(response: Response): Record<string, string> {
  const location = new URL(response.headers.get('location') ?? '/', url);
  return isSentToSignIn(response) ? Object.fromEntries(location.searchParams) : {};
}

test('between password and second factor there is no account page (GHSA-xg6x-h9c9-2m83, CVE-2025-3910)', async () => {
  const person = await addApp(world, await addPerson(world));
  const agent = newBrowser(world);
  const page = await enterPassword({ agent, page: await agent.follow('/account/data') }, person);
  assert.equal(stepOf(page), '/second-factor');
  for (const path of ['/contact/email', '/security', '/sessions', '/data/download']) {
    assert.ok(isSentToSignIn(await agent.fetch(`/account${path}`)), path);
  }
  const state = new URL((await agent.fetch('/account')).headers.get('location') ?? '', url);
  for (const query of ['', `?state=${state.searchParams.get('state')}&code=x&iss=${url}`]) {
    assert.equal((await agent.fetch(`/account/return${query}`)).status, 400);
  }
  assert.ok(!agent.cookies.has('gh_account'));
  assert.deepEqual(await deps.sessions.list(person.tenantId, person.id), []);
  const end = await agent.submit(page, '/second-factor/app', { code: person.code() });
  assert.equal(end.url.pathname, '/account/data');
  assert.equal(end.response.status, 200);
});

test('what is sensitive asks for the second factor of whoever has one, once, and goes on (ASVS 7.5.1, RFC 9470)', async () => {
  const before = await addPerson(world);
  const agent = newBrowser(world);
  await enterPassword({ agent, page: await agent.follow('/account') }, before);
  assert.equal((await agent.fetch('/account/contact/email')).status, 200, 'who has none');
  const person = await addApp(world, before);
  assert.equal((await agent.fetch('/account/profile')).status, 200, 'what is not sensitive');
  for (const path of ['/account/contact/email', '/account/password', '/account/data/delete']) {
    const asked = askedBy(await agent.fetch(path));
    assert.equal(asked.acr_values, TWO_FACTORS, path);
    assert.equal(asked.prompt, undefined, 'the password was proved a moment ago');
  }
  const opened = await agent.follow('/account/contact/email');
  const page =
    stepOf(opened) === '/second-factor'
      ? opened
      : await enterPassword({ agent, page: opened }, person);
  assert.equal(stepOf(page), '/second-factor');
  const end = await agent.submit(page, '/second-factor/app', { code: person.code() });
  assert.equal(end.url.pathname, '/account/contact/email');
  assert.equal(end.response.status, 200);
  assert.equal((await agent.fetch('/account/data/delete')).status, 200, 'it counts for all');
});
