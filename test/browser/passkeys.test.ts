import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import type { Page } from 'playwright-core';
import { CHEAP_HASHES, callApi, tokenOfBoth } from '../flows/auth-support.ts';
import { assertProblem } from '../flows/proof-support.ts';
import type { Answer } from '../flows/support.ts';
import { createBrowserTests, leave, type Open } from '../helpers/browser.ts';
import { addAuthenticator } from '../helpers/virtual-authenticator.ts';
import { createStage } from './stage.ts';

/**
 * Passkeys in a real browser with an authenticator of its own: our script against our
 * API. The page is of the test, at the issuer's origin and under the policy of pages
 * with passkeys; what it posts is what the script has put into its form.
 */

const test = await createBrowserTests();
const stage = await createStage({ settings: CHEAP_HASHES });
const { url, deps, tenantId } = stage;
const PASSWORD = 'correct horse battery staple';
const REGISTER = '/me/mfa/webauthn/register';
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'";
const WORDS =
  'data-cancelled="cancelled" data-registered="registered" data-unsupported="unsupported" data-failed="failed"';

let count = 0;

const call = (path: string, body?: unknown, token?: string): Promise<Answer> => {
  count += 1;
  const headers = { 'x-forwarded-for': `198.51.100.${count % 256}` };
  return callApi(url, 'POST', path, { body, token, headers });
};

/** Somebody who is signed in, and may change how. */
async function createPerson() {
  count += 1;
  const email = `browser-${count}@lotus.example`;
  const user = await deps.users.create({ tenantId, email, emailVerified: true }, PASSWORD);
  return { id: user.id, email, token: await tokenOfBoth(stage, user.id) };
}

interface Ceremony {
  kind: 'create' | 'get';
  /** Asks the API for options. */
  options(): Promise<Answer>;
  /** Options out of the answer, changed as the test likes. */
  choose?(body: Record<string, unknown>): unknown;
  isConditional?: boolean;
}

const html = ({ kind, isConditional }: Ceremony): string => `<!DOCTYPE html>
<html lang="en"><head><title>Passkey</title><link rel="icon" href="/assets/favicon.svg">
<script src="/assets/passkeys.js" defer></script></head><body><main>
<input id="name" autocomplete="username webauthn">
<form method="post" action="/test/answer" data-passkey="${kind}" data-options-url="/test/options"${isConditional ? ' data-conditional' : ''} data-passkey-only hidden>
<input type="hidden" name="csrf" value="token-of-the-page"><input type="hidden" name="response">
<button type="submit">Go</button>
<p role="alert" data-passkey-error ${WORDS} hidden></p></form>
<p data-passkey-none>none</p></main></body></html>`;

interface Run {
  page: Page;
  /** What the form was posted with, the newest last. */
  answers: unknown[];
  /** Form fields of requests for options. */
  asked: URLSearchParams[];
}

/** Opens the page of a ceremony in a window that is there, or a new one. */
async function openCeremony(page: Page, ceremony: Ceremony): Promise<Run> {
  const answers: unknown[] = [];
  const asked: URLSearchParams[] = [];
  await page.unrouteAll({ behavior: 'wait' });
  await page.route('**/test/*', async (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname;
    const form = new URLSearchParams(request.postData() ?? '');
    if (path === '/test/options') {
      asked.push(form);
      const answer = await ceremony.options();
      const body =
        answer.status === 200 && ceremony.choose ? ceremony.choose(answer.body) : answer.body;
      await route.fulfill({ status: answer.status, json: body });
      return;
    }
    if (path === '/test/answer') answers.push(JSON.parse(form.get('response') ?? 'null'));
    const body =
      path === '/test/answer'
        ? '<!DOCTYPE html><title>Done</title><link rel="icon" href="/assets/favicon.svg">'
        : html(ceremony);
    const headers = { 'content-security-policy': POLICY };
    await route.fulfill({ contentType: 'text/html; charset=utf-8', headers, body });
  });
  await page.goto(`${url}/test/page`);
  return { page, answers, asked };
}

const go = ({ page }: Run) => page.getByRole('button', { name: 'Go' });

/** Presses the button; the form is posted with the answer. */
async function complete(run: Run): Promise<unknown> {
  await leave(run.page, () => go(run).click());
  return run.answers.at(-1);
}

/** Presses the button; the page says this and stays. */
async function fail(run: Run, word: string): Promise<void> {
  await go(run).click();
  await run.page.locator('[data-passkey-error]', { hasText: word }).waitFor();
  assert.equal(await go(run).isEnabled(), true);
  assert.deepEqual(run.answers, []);
}

const creation = (token: string): Ceremony => ({
  kind: 'create',
  options: () => call(`${REGISTER}/options`, undefined, token),
});

/** Registers by the page. @returns what the API said */
async function register(page: Page, token: string): Promise<Answer> {
  const response = await complete(await openCeremony(page, creation(token)));
  return call(REGISTER, { response }, token);
}

/** Asks for a passkey of anybody; `begun` has the id of the ceremony once options were asked for. */
function signingIn(changes: Partial<Ceremony> & { lie?: Record<string, unknown> } = {}) {
  const begun = { ceremonyId: '' };
  const ceremony: Ceremony = {
    kind: 'get',
    options: () => call('/auth/passkey/options'),
    choose(body) {
      begun.ceremonyId = String(body.ceremonyId);
      return { ...(body.options as object), ...changes.lie };
    },
    ...changes,
  };
  const verify = (response: unknown) =>
    call('/auth/passkey/verify', { ceremonyId: begun.ceremonyId, response });
  return { ceremony, verify };
}

/** Signs in by the page alone. @returns what the API said */
async function enter(page: Page): Promise<Answer> {
  const { ceremony, verify } = signingIn();
  return verify(await complete(await openCeremony(page, ceremony)));
}

const claimsOf = ({ status, body }: Answer) => {
  assert.equal(status, 200, JSON.stringify(body));
  return decodeJwt(String(body.accessToken));
};

/** A window whose person has a passkey. */
async function enrol(open: Open, options: { isSynced?: boolean } = {}) {
  const page = await open({ javaScript: true });
  const authenticator = await addAuthenticator(page, options);
  const person = await createPerson();
  const answer = await register(page, person.token);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return { page, authenticator, person };
}

test('a passkey is made and signs its owner in without a name', async (open) => {
  const { page, authenticator, person } = await enrol(open);
  const [made] = await authenticator.credentials();
  assert.equal(made?.isResidentCredential, true);
  assert.equal(
    Buffer.from(made?.userHandle ?? '', 'base64').toString('hex'),
    person.id.replaceAll('-', ''),
  );
  const claims = claimsOf(await enter(page));
  assert.equal(claims.sub, person.id);
  assert.deepEqual(claims.amr, ['webauthn', 'hwk', 'user', 'mfa']);
  assert.equal(claims.acr, 'urn:gatehouse:acr:phr');
});

test('a synced passkey is told as one', async (open) => {
  const { page } = await enrol(open, { isSynced: true });
  assert.deepEqual(claimsOf(await enter(page)).amr, ['webauthn', 'swk', 'user', 'mfa']);
});

test('after the password a passkey is the second factor', async (open) => {
  const { page, person } = await enrol(open);
  const login = await call('/auth/login', { identifier: person.email, password: PASSWORD });
  assertProblem(login, 401, 'IDENT_MFA_REQUIRED');
  const { challengeId } = login.body;
  const response = await complete(
    await openCeremony(page, {
      kind: 'get',
      options: () => call('/auth/mfa/options', { challengeId }),
    }),
  );
  const answer = await call('/auth/mfa/verify', { challengeId, method: 'webauthn', response });
  assert.deepEqual(claimsOf(answer).amr, ['pwd', 'webauthn', 'hwk', 'user', 'mfa']);
});

test('passkeys are offered in the field for the name, without a press of any button', async (open) => {
  const { page, person } = await enrol(open);
  const { ceremony, verify } = signingIn({ isConditional: true });
  const run = await openCeremony(page, ceremony);
  await page.waitForURL('**/test/answer');
  assert.equal(claimsOf(await verify(run.answers.at(-1))).sub, person.id);
});

test('an offer in the field that nobody takes up does not stand in the way of the button', async (open) => {
  const { page, authenticator, person } = await enrol(open);
  const [passkey] = await authenticator.credentials();
  assert.ok(passkey);
  await authenticator.remove();
  const device = await addAuthenticator(page);
  const { ceremony, verify } = signingIn({ isConditional: true });
  const run = await openCeremony(page, ceremony);
  await go(run).waitFor();
  // Nothing could be offered so far; should the offer begin only now, it is taken up by itself.
  await device.add({ ...passkey, rpId: 'localhost' });
  go(run)
    .click()
    .catch(() => undefined);
  await page.waitForURL('**/test/answer');
  assert.equal(claimsOf(await verify(run.answers.at(-1))).sub, person.id);
});

test('options are asked for with the fields of the form', async (open) => {
  const page = await open({ javaScript: true });
  await addAuthenticator(page);
  const person = await createPerson();
  const run = await openCeremony(page, creation(person.token));
  await complete(run);
  assert.equal(run.asked[0]?.get('csrf'), 'token-of-the-page');
});

test('an authenticator makes one passkey for a person: a duplicate is refused, in words', async (open) => {
  const { page, authenticator, person } = await enrol(open);
  await fail(await openCeremony(page, creation(person.token)), 'registered');
  assert.equal((await authenticator.credentials()).length, 1);
});

test('a sixth passkey is refused with 422', async (open) => {
  const page = await open({ javaScript: true });
  const person = await createPerson();
  const first = await addAuthenticator(page);
  // Begun while there was room for one more.
  const sixth = await complete(await openCeremony(page, creation(person.token)));
  await first.remove();
  for (let made = 0; made < 5; made += 1) {
    const authenticator = await addAuthenticator(page);
    assert.equal((await register(page, person.token)).status, 200);
    await authenticator.remove();
  }
  const late = await call(REGISTER, { response: sixth }, person.token);
  assertProblem(late, 422, 'IDENT_WEBAUTHN_LIMIT');
  const begun = await call(`${REGISTER}/options`, undefined, person.token);
  assertProblem(begun, 422, 'IDENT_WEBAUTHN_LIMIT');
});

test('an assertion that is sent again opens nothing', async (open) => {
  const { page } = await enrol(open);
  const { ceremony, verify } = signingIn();
  const response = await complete(await openCeremony(page, ceremony));
  claimsOf(await verify(response));
  assertProblem(await verify(response), 401, 'IDENT_INVALID_CREDENTIALS');
});

test('a clone of a passkey is noticed by its counter, and then neither opens anything', async (open) => {
  const { page, authenticator, person } = await enrol(open);
  const [before] = await authenticator.credentials();
  assert.ok(before);
  claimsOf(await enter(page));
  claimsOf(await enter(page));
  const [original] = await authenticator.credentials();
  await authenticator.remove();
  const clone = await addAuthenticator(page);
  await clone.add({ ...before, rpId: 'localhost' });
  assertProblem(await enter(page), 401, 'IDENT_INVALID_CREDENTIALS');
  await clone.remove();
  const back = await addAuthenticator(page);
  assert.ok(original);
  await back.add({ ...original, rpId: 'localhost' });
  assertProblem(await enter(page), 401, 'IDENT_INVALID_CREDENTIALS');
  const listed = await callApi(url, 'GET', '/me/mfa', { token: person.token });
  const [shown] = listed.body.authenticators as unknown as { disabled: boolean }[];
  assert.equal(shown?.disabled, true);
});

test('without user verification nothing is shown: the browser refuses, and so does the service', async (open) => {
  const { page, authenticator } = await enrol(open);
  await authenticator.setVerified(false);
  const honest = signingIn();
  await fail(await openCeremony(page, honest.ceremony), 'cancelled');
  // A page that asks for less than ours.
  const { ceremony, verify } = signingIn({ lie: { userVerification: 'discouraged' } });
  const response = await complete(await openCeremony(page, ceremony));
  assertProblem(await verify(response), 401, 'IDENT_INVALID_CREDENTIALS');
  const person = await createPerson();
  await fail(await openCeremony(page, creation(person.token)), 'cancelled');
});

test('where options cannot be had the page says that it failed, and can be tried again', async (open) => {
  const page = await open({ javaScript: true });
  await addAuthenticator(page);
  const person = await createPerson();
  let isAway = true;
  const choose = (body: unknown) => (isAway ? 'no options' : body);
  const run = await openCeremony(page, { ...creation(person.token), choose });
  await fail(run, 'failed');
  isAway = false;
  assert.ok(await complete(run));
});

test('where scripts do not run or the browser has no passkeys, no button is shown for them', async (open) => {
  const { ceremony } = signingIn({ isConditional: true });
  const without = await openCeremony(await open(), ceremony);
  assert.equal(await without.page.getByText('none').isVisible(), true);
  assert.equal(await go(without).count(), 0);
  const page = await open({ javaScript: true });
  await page.addInitScript('delete window.PublicKeyCredential');
  const old = await openCeremony(page, ceremony);
  assert.equal(await old.page.getByText('none').isVisible(), true);
  assert.equal(await go(old).count(), 0);
  const able = await openCeremony(await open({ javaScript: true }), creation('nobody'));
  await go(able).waitFor();
  assert.equal(await able.page.getByText('none').isVisible(), false);
});
