import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as client from 'openid-client';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent, findForm, type UserAgent } from '../helpers/user-agent.ts';
import { addUser, createWorld, signInForTokens } from './support.ts';

const world = await createWorld();
const { url, people } = world;
const HOME = 'http://localhost:4999/';
const configuration = await discover(url, world.client);
const credentials = { identifier: people.user.email, password: people.user.password };

interface Page {
  response: Response;
  url: URL;
  html: string;
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/** As a browser reads an attribute: one pass, so that nothing is decoded twice. */
const decode = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|#39|#(\d+));/g, (_, name: string, code?: string) =>
    code === undefined || name in NAMED ? (NAMED[name] ?? '') : String.fromCharCode(Number(code)),
  );

/** The form of the page `continue`, as a browser would post it. */
function formOf({ html }: Page): { action: string; fields: URLSearchParams } {
  assert.match(html, /<title>(Continue|Tiếp tục) – /);
  const action = /<form class="stack" method="post" action="([^"]*)">/.exec(html)?.[1];
  const inputs = html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g);
  return {
    action: decode(action ?? ''),
    fields: new URLSearchParams(
      [...inputs].map(([, name, value]) => [name, decode(value ?? '')] as [string, string]),
    ),
  };
}

function goOn(agent: UserAgent, page: Page): Promise<Page> {
  const { action, fields } = formOf(page);
  return agent.follow(action, { method: 'POST', body: fields });
}

const logoutUrl = (parameters: Record<string, string>): string =>
  `/logout?${new URLSearchParams(parameters)}`;

const HOSTILE = [
  'a "state" & <more>',
  `"><script>alert('1')</script><form action="https://evil.example/">`,
  '&quot;&amp;lt;&#39;&#34; %22%00 +',
  '"/>\n<input type="hidden" name="code" value="stolen"/>',
  '</form></body></html><title>Submitting Callback</title>',
  'trạng thái \u202E\u2066\u0007 😀',
];

for (const state of HOSTILE) {
  test(`form_post carries code, state and issuer unharmed: ${JSON.stringify(state)}`, async () => {
    const request = await authorizationRequest(configuration, world.client.redirectUri, {
      response_mode: 'form_post',
      state,
    });
    const agent = createUserAgent(url);
    const page = await agent.follow(request.url);
    const end = await agent.submit(page, '/sign-in', credentials);
    assert.equal(end.response.status, 200);
    const { action, fields } = formOf(end);
    assert.equal(action, world.client.redirectUri);
    assert.deepEqual([...fields.keys()].toSorted(), ['code', 'iss', 'state']);
    assert.equal(fields.get('iss'), url);
    const tokens = await client.authorizationCodeGrant(
      configuration,
      new Request(action, { method: 'POST', body: fields }),
      {
        pkceCodeVerifier: request.verifier,
        expectedState: state,
        expectedNonce: request.nonce,
      },
    );
    assert.ok(tokens.id_token);
  });
}

test('an error goes by form_post too (Form Post Response Mode 2)', async () => {
  const { url: target } = await authorizationRequest(configuration, world.client.redirectUri, {
    response_mode: 'form_post',
    prompt: 'none',
    state: HOSTILE[0] ?? '',
  });
  const page = await createUserAgent(url).follow(target);
  assert.equal(page.response.status, 400);
  const { fields } = formOf(page);
  assert.equal(fields.get('error'), 'login_required');
  assert.equal(fields.get('state'), HOSTILE[0]);
});

test('the page runs our own script and no other, and looks like its application’s organisation', async () => {
  const { url: target } = await authorizationRequest(configuration, world.client.redirectUri, {
    response_mode: 'form_post',
    prompt: 'none',
    ui_locales: 'vi',
  });
  const { response, html } = await createUserAgent(url).follow(target);
  const policy = response.headers.get('content-security-policy') ?? '';
  assert.match(policy, /^default-src 'none';/);
  assert.match(policy, /; script-src 'self'$/);
  assert.doesNotMatch(policy, /unsafe|sha256|form-action/);
  assert.equal(response.headers.get('content-language'), 'vi');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  assert.match(html, /<html lang="vi"/);
  assert.match(html, /<title>Tiếp tục – Lotus Health<\/title>/);
  assert.ok(html.includes(`/assets/brand/${people.tenantId}.css`));
  const scripts = [...html.matchAll(/<script[^>]*>/g)].map(([tag]) => tag);
  assert.equal(scripts.length, 1);
  const source = /^<script src="([^"]+)" defer>$/.exec(scripts[0] ?? '')?.[1] ?? '';
  const script = await fetch(new URL(source, url));
  assert.equal(script.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.match(await script.text(), /submit/);
});

test('other pages of the engine allow no script at all', async () => {
  for (const path of [
    '/authorize?client_id=nobody',
    '/logout/success',
    '/logout?client_id=nobody',
  ]) {
    const { headers } = await createUserAgent(url).fetch(path);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/, path);
    assert.doesNotMatch(policy, /script-src/, path);
  }
});

test('an application on the device cannot be posted to, and is not tried', async () => {
  const native = await seedClient(world.deps, people.tenantId, {
    metadata: { application_type: 'native', redirect_uris: ['com.lotus.app:/callback'] },
  });
  const { url: target } = await authorizationRequest(
    await discover(url, native),
    'com.lotus.app:/callback',
    { response_mode: 'form_post', prompt: 'none' },
  );
  const { html } = await createUserAgent(url).follow(target);
  assert.doesNotMatch(html, /<form/);
  assert.match(html, /needs a redirect_uri of the web/);
});

test('a logout without a session ends where it would end with one', async () => {
  const { idToken } = await signInForTokens(world);
  const stranger = createUserAgent(url);
  const asked = {
    id_token_hint: idToken,
    post_logout_redirect_uri: HOME,
    state: 'a "state" & <b>',
  };
  const page = await stranger.follow(logoutUrl(asked));
  assert.match(page.html, / – Lotus Health<\/title>/);
  const end = await goOn(stranger, page);
  assert.equal(`${end.url.origin}${end.url.pathname}`, HOME);
  assert.equal(end.url.searchParams.get('state'), asked.state);
});

test('a logout without a session or a client ends on a page of our own', async () => {
  const stranger = createUserAgent(url, { 'accept-language': 'vi' });
  const page = await stranger.follow('/logout');
  assert.match(page.html, /<title>Tiếp tục – Gatehouse<\/title>/);
  const end = await goOn(stranger, page);
  assert.equal(end.response.status, 200);
  assert.equal(end.url.href, `${url}/logout/success`);
});

test('the form of a logout without a session is bound to the browser (ASVS 10.6.2, CSRF)', async () => {
  const page = await createUserAgent(url).follow('/logout');
  const { status } = (await goOn(createUserAgent(url), page)).response;
  assert.equal(status, 400);
});

test('somebody else who signs in ends the session before, and the application gets theirs', async () => {
  const before = await signInForTokens(world);
  const other = await addUser(world, 'binh');
  const request = await authorizationRequest(configuration, world.client.redirectUri, {
    prompt: 'login',
    ui_locales: 'vi',
  });
  const { agent } = before;
  const signIn = await agent.follow(request.url);
  const page = await agent.submit(signIn, '/sign-in', other);
  assert.match(page.html, /<title>Tiếp tục – Lotus Health<\/title>/);
  assert.equal(findForm(page, '/logout/confirm').fields.logout, 'yes');
  const { url: redirect } = await goOn(agent, page);
  const tokens = await client.authorizationCodeGrant(configuration, redirect, {
    pkceCodeVerifier: request.verifier,
    expectedState: request.state,
    expectedNonce: request.nonce,
  });
  assert.equal(tokens.claims()?.sub, other.id);
});
