import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import {
  type FormEndpoint,
  postRaw,
  testFormEndpoint,
  testNoErrorLogged,
} from './bad-input-support.ts';
import { assertOAuthError, oddValue } from './raw-http.ts';
import { basic, createWorld, getJson } from './support.ts';

/** Requests that clients push from behind: the same as in front, without a person. */
// Nobody is written to: the hints mean nobody. Without a mail server CIBA is not served at all.
const world = await createWorld({ settings: { SMTP_URL: 'smtp://127.0.0.1:1' } });
const { url } = world;
const { body: metadata } = await getJson(`${url}/.well-known/openid-configuration`);
const grants = (metadata.grant_types_supported as string[]).filter((one) => one !== 'implicit');
const hasCiba = metadata.backchannel_authentication_endpoint !== undefined;
const client = await seedClient(world.deps, world.people.tenantId, {
  metadata: {
    grant_types: grants,
    ...(hasCiba ? { backchannel_token_delivery_mode: 'poll' } : {}),
  },
});
const CLIENT = basic(client);

const SHARED = [
  ...['client_id', 'scope', 'acr_values', 'claims', 'id_token_hint', 'login_hint', 'max_age'],
  ...['nonce', 'resource', 'request', 'request_uri', 'registration', 'ui_locales', 'tenant'],
  ...['client_secret', 'client_assertion', 'client_assertion_type'],
  ...(metadata.authorization_details_types_supported ? ['authorization_details'] : []),
];

const ENDPOINTS: (FormEndpoint & { member: string; required: string[] })[] = [
  {
    member: 'pushed_authorization_request_endpoint',
    path: '/par',
    names: [
      ...SHARED,
      ...['redirect_uri', 'response_type', 'response_mode', 'state', 'prompt', 'display'],
      ...['code_challenge', 'code_challenge_method', 'dpop_jkt'],
    ],
    base: {
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    },
    required: ['client_id', 'response_type', 'code_challenge'],
  },
  {
    member: 'device_authorization_endpoint',
    path: '/device_authorization',
    names: SHARED,
    base: { scope: 'openid' },
    required: [],
  },
  {
    member: 'backchannel_authentication_endpoint',
    path: '/ciba',
    names: [
      ...SHARED,
      ...['binding_message', 'client_notification_token', 'login_hint_token', 'user_code'],
      'requested_expiry',
    ],
    base: { scope: 'openid', login_hint: 'nobody@lotus.example' },
    required: ['scope', 'login_hint'],
  },
];

for (const endpoint of ENDPOINTS.filter(({ member }) => metadata[member] !== undefined)) {
  const { path, names, base, required } = endpoint;
  testFormEndpoint(world, client, endpoint);

  const post = async (form: URLSearchParams | string, about: unknown) => {
    const answer = await postRaw(url, path, String(form), CLIENT);
    assertOAuthError(answer, about);
    return { status: answer.status, error: JSON.parse(answer.body || '{}').error as unknown };
  };

  test(`${path}: each parameter given twice is invalid_request (RFC 6749 3.1)`, async () => {
    for (const name of names.filter((one) => one !== 'resource')) {
      for (const second of ['same', 'other', '']) {
        const form = new URLSearchParams({ ...base, [name]: base[name] ?? 'same' });
        form.append(name, second);
        const { status, error } = await post(form, [name, second]);
        assert.ok(error === 'invalid_request', `${name} twice: ${status} ${error}`);
      }
    }
  });

  test(`${path}: a required parameter that is missing or empty is invalid_request`, async () => {
    for (const name of required) {
      const { [name]: _, ...rest } = base;
      for (const form of [rest, { ...rest, [name]: '' }]) {
        const { status, error } = await post(new URLSearchParams(form), name);
        assert.deepEqual([status, error], [400, 'invalid_request'], name);
      }
    }
  });

  test(`${path}: an oversized, structured or odd value beside a good request is taken or refused by name`, async () => {
    const refused =
      /^(invalid|unsupported|unauthorized|temporarily|request|registration|unknown|unmet|access|missing|login)_[a-z_]+$/;
    const check = async (form: URLSearchParams | string, about: unknown) => {
      const { status, error } = await post(form, about);
      if (status >= 400) assert.match(String(error), refused, JSON.stringify(about));
    };
    for (const name of names) {
      await check(new URLSearchParams({ ...base, [name]: 'x'.repeat(8_192) }), [name, 'oversized']);
      for (const suffix of ['[]', '[a]', '.a']) {
        await check(new URLSearchParams({ ...base, [name + suffix]: 'a' }), [name, suffix]);
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), oddValue, async (name, value) => {
        const form = new URLSearchParams({ ...base, [name]: value.toWellFormed() });
        await check(form, [name, value]);
      }),
      { numRuns: 60 },
    );
  });
}

testNoErrorLogged(world);
