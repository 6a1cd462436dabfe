import {
  createAuthenticator,
  type Lies,
  type SoftwareAuthenticator,
} from '../helpers/authenticator.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { CHEAP_HASHES, callApi, tokenOfBoth } from './auth-support.ts';
import { type Answer, createWorld } from './support.ts';

export const REGISTER = '/me/mfa/webauthn/register';

interface Begun {
  ceremonyId: string;
  options: { challenge: string; rpId: string };
}

/** A service with a clock of its own, people of their own for each test, and addresses likewise. */
export async function createPasskeyFlows() {
  const clock = createFakeClock();
  const settings = { TRUSTED_PROXIES: '127.0.0.1', ...CHEAP_HASHES };
  const world = await createWorld({ settings, overrides: { clock } });
  const { url, deps, people } = world;
  await deps.tenants.updateSettings(people.tenantId, { newSignInNotice: false });
  let count = 0;

  const call = (
    path: string,
    body?: unknown,
    token?: string,
    address?: string,
  ): Promise<Answer> => {
    count += 1;
    const from = address ?? `198.51.${100 + (count >> 8)}.${count & 255}`;
    const headers = { 'x-forwarded-for': from };
    return callApi(url, 'POST', path, { body, token, headers });
  };

  /** A user with a password who is signed in. */
  async function signIn(password = 'correct horse battery staple') {
    count += 1;
    const email = `passkey-${count}@lotus.example`;
    const user = await deps.users.create(
      { tenantId: people.tenantId, email, name: 'Lê Chi', emailVerified: true },
      password,
    );
    const token = await tokenOfBoth(world, user.id);
    return { id: user.id, email, password, tenantId: people.tenantId, token };
  }

  async function register(token: string, device: SoftwareAuthenticator): Promise<Answer> {
    const options = await call(`${REGISTER}/options`, undefined, token);
    if (options.status !== 200) return options;
    const response = device.create(options.body as unknown as Parameters<typeof device.create>[0]);
    return call(REGISTER, { response }, token);
  }

  /** Somebody who is signed in and has a passkey. */
  async function enrol() {
    const person = await signIn();
    const device = createAuthenticator({ origin: url });
    const answer = await register(person.token, device);
    return { ...person, device, answer };
  }

  /** What the device answers to a ceremony that has just begun. */
  async function answer(device: SoftwareAuthenticator, lies: Lies = {}) {
    const begun = await call('/auth/passkey/options');
    const { ceremonyId, options } = begun.body as unknown as Begun;
    return { ceremonyId, response: device.get(options, lies) };
  }

  /** Signs in by nothing but the passkey. */
  const enter = async (device: SoftwareAuthenticator, lies: Lies = {}, address?: string) =>
    call('/auth/passkey/verify', await answer(device, lies), undefined, address);

  return { ...world, clock, call, signIn, register, enrol, answer, enter };
}
