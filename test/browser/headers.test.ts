import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort, seedClient, seedPeople, startGatehouse } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent, findForm } from '../helpers/user-agent.ts';

const gatehouse = await startGatehouse();
const people = await seedPeople(gatehouse.deps);
const client = await seedClient(gatehouse.deps, people.tenantId, { isFirstParty: false });
const configuration = await discover(gatehouse.url, client);
const { email, password } = people.user;

/** Every kind of page, as a person meets them one after the other. */
async function collectPages(): Promise<Map<string, { response: Response; html: string }>> {
  const agent = createUserAgent(gatehouse.url);
  const pages = new Map<string, { response: Response; html: string }>();
  const { url } = await authorizationRequest(configuration, client.redirectUri);
  const signIn = await agent.follow(url);
  pages.set('landing', await agent.follow('/'));
  pages.set('continue', await createUserAgent(gatehouse.url).follow('/logout'));
  pages.set('sign-in', signIn);
  pages.set(
    'refused',
    await agent.submit(signIn, '/sign-in', { identifier: email, password: 'x' }),
  );
  pages.set('consent', await agent.submit(signIn, '/sign-in', { identifier: email, password }));
  pages.set('expired', await agent.follow('/interaction/nothing'));
  pages.set('not-found', await agent.follow('/nothing'));
  pages.set('error', await agent.follow('/authorize?client_id=nobody'));
  const logout = await agent.follow('/logout');
  pages.set('logout', logout);
  pages.set('signed-out', await agent.submit(logout, '/logout/confirm', { logout: 'yes' }));
  return pages;
}

const pages = await collectPages();

const directivesOf = (response: Response): Map<string, string> =>
  new Map(
    (response.headers.get('content-security-policy') ?? '').split(';').map((directive) => {
      const [name = '', ...values] = directive.trim().split(/\s+/);
      return [name, values.join(' ')];
    }),
  );

/** Our own scripts, by their addresses alone, on the pages that need one. */
const SCRIPTS: Record<string, RegExp> = {
  continue: /^<script src="\/assets\/continue\.js\?v=\w+" defer><\/script>$/,
  'sign-in': /^<script src="\/assets\/passkeys\.js\?v=\w+" defer><\/script>$/,
  refused: /^<script src="\/assets\/passkeys\.js\?v=\w+" defer><\/script>$/,
};

test('each of these pages is another one', () => {
  const titles = [...pages.values()].map(({ html }) => /<title>(.*?)<\/title>/.exec(html)?.[1]);
  assert.equal(new Set(titles).size, pages.size, titles.join(', '));
});

for (const [name, { response, html }] of pages) {
  const script = SCRIPTS[name];

  test(`the page ${name} runs ${script ? 'one' : 'no'} script and stands in no frame (ASVS 3.4.3, 3.4.6)`, () => {
    const policy = directivesOf(response);
    for (const directive of ['default-src', 'object-src', 'base-uri', 'frame-ancestors']) {
      assert.equal(policy.get(directive), "'none'", directive);
    }
    assert.equal(policy.get('script-src'), script && "'self'");
    const scripts = [...html.matchAll(/<script.*?<\/script>/gs)].map(([tag]) => tag);
    assert.equal(scripts.length, script ? 1 : 0);
    if (script) assert.match(scripts[0] ?? '', script);
    assert.equal(policy.get('style-src'), "'self'");
    assert.doesNotMatch([...policy.values()].join(' '), /unsafe|\*/);
    assert.equal(response.headers.get('x-frame-options'), 'DENY');
    assert.doesNotMatch(html, /<style|<iframe|\sstyle=|\son[a-z]+=|javascript:/i);
  });

  test(`the page ${name} tells nobody its address and is kept nowhere (RFC 9700 4.2)`, () => {
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('cross-origin-opener-policy'), 'same-origin');
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(response.headers.get('content-language'), 'en');
    assert.match(response.headers.get('x-request-id') ?? '', /^[\w-]{16,}$/);
    for (const [, address] of html.matchAll(/(?:src|href)="(https?:[^"]+)"/g)) {
      assert.ok(address?.startsWith(gatehouse.url), `${address} is somebody else’s`);
    }
  });
}

/** The cookies that a first visit and a sign-in set, as they were set. */
async function collectCookies(origin: string, headers: Record<string, string>): Promise<string[]> {
  const { url } = await authorizationRequest(configuration, client.redirectUri);
  const agent = createUserAgent(origin, headers);
  const lines: string[] = [];
  const note = (response: Response) => {
    lines.push(...response.headers.getSetCookie());
    return response.headers.get('location') ?? '';
  };
  const target = new URL(note(await agent.fetch(url.pathname + url.search)), origin);
  const step = target.pathname;
  const page = { url: new URL(step, origin), html: await (await agent.fetch(step)).text() };
  const form = findForm(page, '/sign-in');
  const body = new URLSearchParams({ ...form.fields, identifier: email, password });
  const sent = await agent.fetch(form.action.pathname, { method: 'POST', body });
  const resume = new URL(note(sent), origin);
  note(await agent.fetch(resume.pathname));
  note(await agent.fetch('/?lang=vi'));
  return lines.filter((line) => !/expires=Thu, 01 Jan 1970/i.test(line));
}

test('cookies are for this host, not for scripts or other sites (ASVS 3.3.2, 3.3.4)', async () => {
  const cookies = await collectCookies(gatehouse.url, {});
  const names = new Set(cookies.map((line) => line.slice(0, line.indexOf('='))));
  for (const name of ['gh_session', 'gh_interaction', 'gh_resume', 'gh_locale']) {
    assert.ok(names.has(name), name);
    if (name !== 'gh_locale') assert.ok(names.has(`${name}.sig`), `${name} is signed`);
  }
  for (const line of cookies) {
    assert.match(line, /; httponly/i);
    assert.match(line, /; samesite=lax/i);
    assert.doesNotMatch(line, /; domain=/i);
  }
});

test('over HTTPS cookies are Secure and prefixed (ASVS 3.3.1), and HSTS is sent (ASVS 3.4.1)', async () => {
  const port = String(await freePort());
  const { DATABASE_URL, REDIS_PREFIX, KEY_ENCRYPTION_KEY } = gatehouse.config;
  const secure = await startGatehouse({
    settings: {
      PORT: port,
      ISSUER: 'https://id.example',
      ALLOWED_HOSTS: `localhost:${port}`,
      TRUSTED_PROXIES: '127.0.0.1',
      REDIS_PREFIX,
      DATABASE_URL: DATABASE_URL.reveal(),
      KEY_ENCRYPTION_KEY: KEY_ENCRYPTION_KEY?.reveal() ?? '',
    },
  });
  const origin = `http://localhost:${port}`;
  const proxied = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'id.example' };
  const cookies = await collectCookies(origin, proxied);
  const names = new Set(cookies.map((line) => line.slice(0, line.indexOf('='))));
  for (const name of ['session', 'locale', 'device'])
    assert.ok(names.has(`__Host-gh_${name}`), name);
  for (const line of cookies) {
    assert.match(line, /^__(Host|Secure)-/);
    assert.match(line, /; secure/i);
    if (line.startsWith('__Host-')) assert.match(line, /; path=\/;/i);
  }
  const response = await fetch(origin, { headers: { ...proxied, accept: 'text/html' } });
  const hsts = response.headers.get('strict-transport-security') ?? '';
  assert.ok(Number(/max-age=(\d+)/.exec(hsts)?.[1]) >= 31_536_000);
  assert.equal(secure.config.ISSUER, 'https://id.example');
});

test('credentials are answered with 303, so that no redirect repeats them (RFC 9700 4.12)', async () => {
  const agent = createUserAgent(gatehouse.url);
  const { url } = await authorizationRequest(configuration, client.redirectUri);
  const page = await agent.follow(url);
  const form = findForm(page, '/sign-in');
  const body = new URLSearchParams({ ...form.fields, identifier: email, password });
  const response = await agent.fetch(form.action, { method: 'POST', body });
  assert.equal(response.status, 303);
  const resume = await agent.fetch(response.headers.get('location') ?? '');
  assert.equal(resume.status, 303);
  assert.match(resume.headers.get('location') ?? '', /^\/interaction\//);
});
