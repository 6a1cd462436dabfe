import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../helpers/fast-check.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { assertOAuthError, oddValue, send } from './raw-http.ts';
import { basic, createWorld, getJson } from './support.ts';

/** Every grant that /token advertises, each of its parameters spoilt in turn. */
const world = await createWorld();
const { url } = world;
const { body: metadata } = await getJson(`${url}/.well-known/openid-configuration`);
const URN = 'urn:ietf:params:oauth';
const ACCESS_TOKEN = `${URN}:token-type:access_token`;

interface GrantParameters {
  required: Record<string, string>;
  optional: Record<string, string>;
  /** Parameters that may be given more than once. */
  repeatable?: string[];
}

const GRANTS: Record<string, GrantParameters> = {
  authorization_code: {
    required: { code: 'x'.repeat(43) },
    optional: { redirect_uri: 'http://localhost:4999/callback', code_verifier: 'v'.repeat(43) },
  },
  refresh_token: {
    required: { refresh_token: `ghr_${'x'.repeat(43)}` },
    optional: { scope: 'openid' },
  },
  client_credentials: { required: {}, optional: { scope: 'email' } },
  [`${URN}:grant-type:device_code`]: { required: { device_code: 'x'.repeat(43) }, optional: {} },
  'urn:openid:params:grant-type:ciba': { required: { auth_req_id: 'x'.repeat(43) }, optional: {} },
  [`${URN}:grant-type:token-exchange`]: {
    required: { subject_token: 'a.b.c', subject_token_type: ACCESS_TOKEN },
    optional: {
      actor_token: 'a.b.c',
      actor_token_type: ACCESS_TOKEN,
      requested_token_type: ACCESS_TOKEN,
      scope: 'openid',
    },
    repeatable: ['audience', 'resource'],
  },
};

const advertised = (metadata.grant_types_supported as string[]).filter((one) => one !== 'implicit');
const client = await seedClient(world.deps, world.people.tenantId, {
  metadata: {
    grant_types: advertised,
    ...(advertised.includes('urn:openid:params:grant-type:ciba')
      ? { backchannel_token_delivery_mode: 'poll' }
      : {}),
  },
});
const HEADERS = {
  'content-type': 'application/x-www-form-urlencoded',
  accept: 'application/json',
  ...basic(client),
};

/** What RFC 6749 5.2 and its successors let a spoilt value be called. */
const VALUE_ERRORS =
  /^(invalid_(request|grant|scope|target|client)|unauthorized_client|expired_token|unsupported_token_type)$/;

async function token(form: URLSearchParams | string, about: unknown) {
  const answer = await send(url, {
    method: 'POST',
    path: '/token',
    headers: HEADERS,
    body: String(form),
  });
  assertOAuthError(answer, about);
  return { status: answer.status, body: JSON.parse(answer.body || '{}') as Record<string, string> };
}

test('every advertised grant is in the table above', () => {
  for (const grant of advertised) assert.ok(GRANTS[grant], grant);
});

for (const grant_type of advertised) {
  const { required, optional, repeatable = [] } = GRANTS[grant_type] as GrantParameters;
  const all: Record<string, string> = { grant_type, ...required, ...optional };
  const without = (name: string, form = { ...all }) => {
    const { [name]: _, ...rest } = form;
    return rest;
  };

  test(`${grant_type}: each parameter given twice is invalid_request (RFC 6749 3.2)`, async () => {
    for (const [name, value] of Object.entries(all)) {
      for (const second of [value, 'other', '']) {
        const form = new URLSearchParams(all);
        form.append(name, second);
        const { status, body } = await token(form, [name, second]);
        assert.deepEqual([status, body.error], [400, 'invalid_request'], `${name} ${second}`);
      }
    }
  });

  test(`${grant_type}: a required parameter that is missing or empty is invalid_request (RFC 6749 3.2)`, async () => {
    for (const name of ['grant_type', ...Object.keys(required)]) {
      for (const form of [without(name), { ...all, [name]: '' }]) {
        const { status, body } = await token(new URLSearchParams(form), [name, form]);
        assert.deepEqual([status, body.error], [400, 'invalid_request'], name);
      }
    }
  });

  test(`${grant_type}: an oversized or structured parameter is refused by name (RFC 6749 5.2)`, async () => {
    for (const name of Object.keys(without('grant_type'))) {
      const structures = [`${name}[]=a`, `${name}[a]=b`, `${name}.a=b`].map(
        (pair) => `${new URLSearchParams(without(name))}&${pair}`,
      );
      const oversized = new URLSearchParams({ ...all, [name]: 'x'.repeat(8_192) });
      for (const form of [oversized, ...structures]) {
        const { status, body } = await token(form, [name, String(form).slice(0, 80)]);
        if (status === 200) assert.ok(name in optional, `${name} was needed`);
        else assert.match(body.error ?? '', VALUE_ERRORS);
      }
    }
  });

  test(`${grant_type}: any odd value in any parameter is an error of the protocol`, async () => {
    const names = [...Object.keys(all), ...repeatable, 'resource', 'authorization_details'];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), oddValue, async (name, value) => {
        const form = new URLSearchParams({ ...all, [name]: value.toWellFormed() });
        const { status } = await token(form, [grant_type, name, value]);
        assert.ok(status === 200 || (status >= 400 && status < 500));
      }),
      { numRuns: 80 },
    );
  });
}

test('none of it was an error of ours', () => {
  const errors = world.logs.filter(({ level }) => level === 'error' || level === 'fatal');
  assert.deepEqual(errors, []);
});
