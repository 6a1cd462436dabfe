import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient, seedPeople, startGatehouse } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';

const gatehouse = await startGatehouse();
const people = await seedPeople(gatehouse.deps);
const registered = 'https://app.example.com/callback';
const client = await seedClient(gatehouse.deps, people.tenantId, {
  metadata: { redirect_uris: [registered, 'https://app.example.com/other?fixed=1'] },
});
const configuration = await discover(gatehouse.url, client);
const html = { accept: 'text/html' };

const visit = (url: URL | string, headers: Record<string, string> = html) =>
  fetch(url, { headers, redirect: 'manual' });

const tricks = [
  'https://app.example.com.evil.tld/callback',
  'https://evil.tld/app.example.com/callback',
  'https://app.example.com@evil.tld/callback',
  'https://evil.tld\\@app.example.com/callback',
  'https://app.example.com:8443/callback',
  'https://app.example.com./callback',
  'https://APP.example.com/callback',
  'https://app.example.com/Callback',
  'https://app.example.com/callback/',
  'https://app.example.com/callback/../evil',
  'https://app.example.com/callback/..;/callback',
  'https://app.example.com/callback?x=1',
  'https://app.example.com/callback#x',
  'https://app.example.com/callback%00',
  'https://app.example.com/callback%0d%0aset-cookie:x=1',
  'https://app.example.com//callback',
  'https://app.example.com/other',
  'https://app.example.com/other?fixed=1&more=1',
  'https://appXexample.com/callback',
  'https://sub.app.example.com/callback',
  'http://app.example.com/callback',
  ' https://app.example.com/callback',
  '//app.example.com/callback',
  '/callback',
  'javascript:alert(1)//https://app.example.com/callback',
  'data:text/html,https://app.example.com/callback',
  '',
];

test('a redirect URI is compared letter for letter (ASVS 10.4.1, CVE-2026-41569, CVE-2024-52289)', async () => {
  for (const trick of tricks) {
    const { url } = await authorizationRequest(configuration, trick);
    const response = await visit(url);
    assert.equal(response.status, 400, trick);
    assert.equal(response.headers.get('location'), null, trick);
    assert.match(await response.text(), /<title>Error: /, trick);
  }
  const { url } = await authorizationRequest(configuration, registered);
  assert.equal((await visit(url)).status, 303, 'the registered one works');
});

test('a client without redirect URIs cannot be registered for a flow that needs one (CVE-2024-52289)', async () => {
  const metadata = { redirect_uris: [] };
  await assert.rejects(seedClient(gatehouse.deps, people.tenantId, { metadata }));
});

test('a parameter given twice is an error, whichever it is (CVE-2026-9689)', async () => {
  const { url } = await authorizationRequest(configuration, registered, {
    prompt: 'login',
    ui_locales: 'vi',
    login_hint: 'an',
    max_age: '10',
    tenant: 'lotus',
  });
  for (const [name, value] of [...url.searchParams]) {
    for (const second of [value, 'https://evil.example/']) {
      const twice = new URL(url);
      twice.searchParams.append(name, second);
      const response = await visit(twice);
      const location = response.headers.get('location');
      if (location === null) {
        assert.equal(response.status, 400, name);
      } else {
        assert.ok(location.startsWith(`${registered}?`), `${name}: ${location}`);
        assert.equal(new URL(location).searchParams.get('error'), 'invalid_request', name);
      }
      assert.ok(location !== null || /client_id|redirect_uri/.test(name), `${name} has a client`);
    }
  }
});

/** Cookies that a broken or hostile browser could send in the place of a good session. */
function badCookies(session: string, signature: string): string[] {
  return [
    'gh_session=garbage',
    `gh_session=${session}`,
    `gh_session=${session}; gh_session.sig=garbage`,
    `gh_session=${session}x; gh_session.sig=${signature}`,
    `gh_session=${session.slice(0, -1)}; gh_session.sig=${signature}`,
    `gh_session=; gh_session.sig=${signature}`,
    `gh_session.sig=${signature}`,
    `gh_session=%00; gh_session.sig=${signature}`,
    `gh_session=${'a'.repeat(4_000)}; gh_session.sig=${signature}`,
    `gh_session=["${session}"]; gh_session.sig=${signature}`,
    `gh_session=first; gh_session=${session}; gh_session.sig=${signature}`,
    `GH_SESSION=${session}; GH_SESSION.SIG=${signature}`,
    '=; ; =x; gh_session',
  ];
}

test('a malformed, huge or doubled cookie is nobody’s (CVE-2026-25748)', async () => {
  const agent = createUserAgent(gatehouse.url);
  const request = await authorizationRequest(configuration, registered);
  const { email, password } = people.user;
  const end = await signIn(agent, request, { identifier: email, password });
  assert.ok(end.href.startsWith(registered));
  const session = agent.cookies.get('gh_session') ?? '';
  const signature = agent.cookies.get('gh_session.sig') ?? '';
  const silent = (await authorizationRequest(configuration, registered, { prompt: 'none' })).url;
  const ask = async (cookie: string) => {
    const response = await visit(silent, { ...html, cookie });
    return new URL(response.headers.get('location') ?? 'none:').searchParams;
  };
  const good = await ask(`gh_session=${session}; gh_session.sig=${signature}`);
  assert.ok(good.get('code'), 'the cookie itself is good');
  for (const cookie of badCookies(session, signature)) {
    assert.equal((await ask(cookie)).get('error'), 'login_required', cookie.slice(0, 80));
    const home = await visit(gatehouse.url, { ...html, cookie });
    assert.equal(home.status, 200);
    assert.match(await home.text(), /You’re not signed in/, cookie.slice(0, 80));
  }
});
