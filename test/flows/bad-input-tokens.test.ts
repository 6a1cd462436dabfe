import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  obtainCode,
  postForm,
  refresh,
  signInForTokens,
} from './support.ts';

/**
 * Whatever opens a door opens it whole and as it was issued: no beginning, end
 * or extension of it does (GHSA-6mq3-xmgp-pjm5).
 */
const jwtWorld = await createWorld();
const opaqueWorld = await createWorld({ settings: { ACCESS_TOKEN_FORMAT: 'opaque' } });
const { url, client, people } = jwtWorld;

/** Parts of a value, the value with more, and the value spoilt; never the value itself. */
function spoilt(value: string): fc.Arbitrary<string> {
  const half = Math.floor(value.length / 2);
  const fixed = [
    ...['', value.slice(1), value.slice(0, -1), value.slice(0, -2), value.slice(half)],
    ...[value.slice(0, half), value.slice(0, 4), value.slice(-32), `${value}${value}`],
    ...[`${value}A`, `${value}=`, `${value}.`, `${value}%00`, `${value} x`, `${value},${value}`],
    ...[`A${value}`, `.${value}`, value.toLowerCase(), value.toUpperCase()],
  ];
  return fc
    .oneof(
      fc.constantFrom(...fixed),
      fc.nat({ max: value.length - 1 }).map((length) => value.slice(0, length)),
      fc.integer({ min: 1, max: value.length - 1 }).map((from) => value.slice(from)),
      fc.string({ minLength: 1, maxLength: 6 }).map((more) => value + more),
      // Not the last character: in base64url some of its bits may carry nothing (RFC 4648 3.5).
      fc
        .nat({ max: value.length - 2 })
        .map((at) => value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1)),
    )
    .filter((one) => one.trim() !== value);
}

async function opensNothing(value: string, opens: (value: string) => Promise<boolean>, runs = 60) {
  await fc.assert(
    fc.asyncProperty(spoilt(value), async (one) => {
      assert.equal(await opens(one), false, `opened by ${JSON.stringify(one)}`);
    }),
    { numRuns: runs },
  );
  assert.equal(await opens(value), true, 'the value itself opens it');
}

for (const world of [jwtWorld, opaqueWorld]) {
  const format = world.config.ACCESS_TOKEN_FORMAT;

  test(`a part or extension of a ${format} access token opens neither introspection nor userinfo nor the API`, async () => {
    const { accessToken } = await signInForTokens(world);
    const isHeaderValue = (one: string) => /^[\x21-\x7e]+$/.test(one);
    await opensNothing(accessToken, async (one) => {
      const { body } = await introspect(world.url, world.client, one);
      if (body.active === true || !isHeaderValue(one)) return body.active === true;
      const userinfo = await getJson(`${world.url}/userinfo`, bearer(one));
      return userinfo.status === 200;
    });
    if (format === 'opaque') return;
    await opensNothing(
      accessToken,
      async (one) =>
        isHeaderValue(one) && (await getJson(`${url}/api/v1/me`, bearer(one))).status === 200,
    );
  });
}

test('a part or extension of a refresh token neither refreshes nor ends the family of the real one', async () => {
  const { refreshToken } = await signInForTokens(jwtWorld);
  await opensNothing(refreshToken, async (one) => {
    const { status, body } = await refresh(url, client, one);
    if (status !== 200) assert.match(String(body.error), /^invalid_(grant|request)$/);
    return status === 200;
  });
});

test('a part or extension of a code is no code, and spends nothing', async () => {
  const { code, form } = await obtainCode(jwtWorld);
  await opensNothing(code, async (one) => {
    const { status, body } = await postForm(`${url}/token`, { ...form, code: one }, basic(client));
    if (status !== 200) assert.match(String(body.error), /^invalid_(grant|request)$/);
    return status === 200;
  });
});

test('a part or extension of a code verifier does not fit the challenge (RFC 7636 4.6)', async () => {
  const { form } = await obtainCode(jwtWorld);
  const { status, body } = await postForm(
    `${url}/token`,
    { ...form, code_verifier: `${form.code_verifier}A` },
    basic(client),
  );
  assert.deepEqual([status, body.error], [400, 'invalid_grant']);
});

test('a part or extension of a client secret authenticates nobody', async () => {
  await opensNothing(client.clientSecret, async (clientSecret) => {
    const { status, body } = await postForm(
      `${url}/token`,
      { grant_type: 'client_credentials' },
      basic({ ...client, clientSecret }),
    );
    if (status !== 200) assert.match(String(body.error), /^invalid_(client|request)$/);
    return status === 200;
  });
});

test('a part or extension of a session cookie is nobody’s', async () => {
  const { agent } = await signInForTokens(jwtWorld);
  const session = agent.cookies.get('gh_session') ?? '';
  const signature = agent.cookies.get('gh_session.sig') ?? '';
  const isSignedIn = async (cookie: string): Promise<boolean> => {
    const query = new URLSearchParams({
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      prompt: 'none',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
    const browser = createUserAgent(url, { cookie });
    const { url: end } = await browser.follow(`/authorize?${query}`);
    return end.searchParams.has('code');
  };
  const clean = (one: string) => one.replace(/[^\x21-\x7e]|[;,"\\]/g, '');
  await opensNothing(
    session,
    async (one) =>
      (one === session || clean(one) !== session) &&
      isSignedIn(`gh_session=${clean(one)}; gh_session.sig=${signature}`),
    40,
  );
  await opensNothing(
    signature,
    async (one) =>
      (one === signature || clean(one) !== signature) &&
      isSignedIn(`gh_session=${session}; gh_session.sig=${clean(one)}`),
    40,
  );
});

test('a part or extension of a pushed request is no request (RFC 9126 7.1)', async () => {
  const { body } = await postForm(
    `${url}/par`,
    {
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    },
    basic(client),
  );
  await opensNothing(String(body.request_uri), async (request_uri) => {
    const query = new URLSearchParams({ client_id: client.clientId, request_uri });
    const response = await fetch(`${url}/authorize?${query}`, {
      redirect: 'manual',
      headers: { accept: 'text/html' },
    });
    return /^\/interaction\//.test(new URL(response.headers.get('location') ?? '/', url).pathname);
  });
});

test('a part or extension of an ID token is no hint', async () => {
  const { idToken } = await signInForTokens(jwtWorld);
  await opensNothing(
    idToken,
    async (id_token_hint) => {
      if (id_token_hint === '') return false;
      const query = new URLSearchParams({ id_token_hint });
      const { status } = await getJson(`${url}/logout?${query}`, { accept: 'text/html' });
      return status === 200;
    },
    40,
  );
});

test('none of it was an error of ours, and no log line holds a secret (ASVS 16.2.5)', () => {
  for (const { logs } of [jwtWorld, opaqueWorld]) {
    assert.deepEqual(
      logs.filter(({ level }) => level === 'error' || level === 'fatal'),
      [],
    );
    assert.ok(!JSON.stringify(logs).includes(people.user.password));
  }
});
