import assert from 'node:assert/strict';
import { Secret, TOTP } from 'otpauth';
import type { TenantSettings } from '../../src/features/tenant/index.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { CHEAP_HASHES, callApi } from './auth-support.ts';
import { MINUTE, SECOND } from './proof-support.ts';
import { TRUSTING } from './sign-in-support.ts';
import { type Answer, createWorld, type World } from './support.ts';

export type MfaWorld = World & { clock: ReturnType<typeof createFakeClock> };

/** A person who can sign in, with an authenticator app or without. */
export interface Person {
  id: string;
  tenantId: string;
  email: string;
  password: string;
  /** The code that the app shows now; each call moves time on, so that it is a new one. */
  code(): string;
}

/**
 * A service with a clock of its own that believes a proxy's word for addresses.
 * @param start where codes are to be exchanged, which live a minute by the real clock, hours
 *   ago: then time can be moved on
 */
export async function createMfaWorld(
  settings: Record<string, string> = {},
  start = Date.now(),
): Promise<MfaWorld> {
  const clock = createFakeClock(start);
  const world = await createWorld({
    settings: { ...CHEAP_HASHES, ...TRUSTING, ...settings },
    overrides: { clock },
  });
  await world.deps.tenants.updateSettings(world.people.tenantId, { newSignInNotice: false });
  return { ...world, clock };
}

export const setTenant = async (
  { deps, people, clock }: MfaWorld,
  settings: Partial<TenantSettings>,
): Promise<void> => {
  await deps.tenants.updateSettings(people.tenantId, settings);
  // What was read a moment ago may be stale for a second.
  clock.advance(2 * SECOND);
};

/** The code that an app shows for this seed. */
export const showCode = (secret: string, milliseconds: number): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: milliseconds });

let people = 0;

/** Adds a person with a password, and no second factor. */
export async function addPerson(
  world: MfaWorld,
  changes: { phone?: string; email?: string } = {},
): Promise<Person> {
  people += 1;
  const { deps, clock } = world;
  const { tenantId } = world.people;
  const email = changes.email ?? `factor-${people}@lotus.example`;
  const password = `a long enough password ${people}`;
  const input = { tenantId, email, name: 'Lê Minh', emailVerified: true };
  const { id } = await deps.users.create({ ...input, ...changes }, password);
  // A password that is set later is another one.
  clock.advance(SECOND);
  return { id, tenantId, email, password, code: () => assert.fail('has no app') };
}

/** Sets an authenticator app up for somebody. */
export async function addApp(world: MfaWorld, person: Person): Promise<Person> {
  const { deps, clock } = world;
  const user = { id: person.id, tenantId: person.tenantId };
  const options = { name: 'Phone', issuerName: 'Lotus Health' };
  const { id, secret } = await deps.totp.enroll({ ...user, label: person.email }, options);
  await deps.totp.confirm(user, id, showCode(secret, clock.now()));
  return {
    ...person,
    code: () => {
      clock.advance(30 * SECOND);
      return showCode(secret, clock.now());
    },
  };
}

/** Somebody with an authenticator app. */
export const addProtected = async (world: MfaWorld): Promise<Person> =>
  addApp(world, await addPerson(world));

let calls = 0;

/** Each call from an address of its own, unless one is named. */
export const call = (
  world: Pick<World, 'url'>,
  path: string,
  body: unknown,
  address?: string,
): Promise<Answer> => {
  calls += 1;
  const from = address ?? `198.18.${calls >> 8}.${calls & 255}`;
  return callApi(world.url, 'POST', path, { body, headers: { 'x-forwarded-for': from } });
};

export const login = (
  world: Pick<World, 'url'>,
  { email: identifier, password }: Pick<Person, 'email' | 'password'>,
  more: Record<string, unknown> = {},
): Promise<Answer> => call(world, '/auth/login', { identifier, password, ...more });

/** Signs in with the password, to the challenge. */
export async function challenge(
  world: MfaWorld,
  person: Person,
  more: Record<string, unknown> = {},
): Promise<{ challengeId: string } & Record<string, unknown>> {
  const answer = await login(world, person, more);
  assert.equal(answer.status, 401, JSON.stringify(answer.body));
  assert.equal(answer.body.code, 'IDENT_MFA_REQUIRED');
  return answer.body as { challengeId: string } & Record<string, unknown>;
}

export const verify = (
  world: Pick<World, 'url'>,
  challengeId: string,
  code: string,
  method = 'totp',
): Promise<Answer> => call(world, '/auth/mfa/verify', { challengeId, method, code });

/** Another code of six digits than this one. */
export const wrong = (code: string, by = 1): string =>
  String((Number(code) + by) % 1_000_000).padStart(6, '0');

/** What was written to the outbox about somebody, by type. */
export async function eventsOf(world: MfaWorld, userId: string): Promise<string[]> {
  const rows = await world.deps.postgres
    .knex('outbox_events')
    .where({ subject: userId })
    .orderBy('id')
    .select('type');
  return rows.map(({ type }) => type as string);
}

export { MINUTE, SECOND };
