import assert from 'node:assert/strict';
import type { UserRef, WebAuthnProof } from '../../../src/features/mfa/index.ts';
import {
  type AuthenticatorSettings,
  createAuthenticator,
  type Lies,
  type SoftwareAuthenticator,
} from '../../helpers/authenticator.ts';
import { createFakeClock } from '../../helpers/clock.ts';
import { seedPeople, startGatehouse } from '../../helpers/gatehouse.ts';

export const BINDING = 'test:1';

/** A service with a clock of its own, and what tests of passkeys do again and again. */
export async function createPasskeyWorld(settings: Record<string, string> = {}) {
  const clock = createFakeClock();
  const gatehouse = await startGatehouse({ settings, overrides: { clock } });
  const { deps, url: origin } = gatehouse;
  const { webauthn } = deps;
  const { tenantId } = await seedPeople(deps);
  let count = 0;

  /** A user of their own, so that tests do not share limits. */
  async function addUser(): Promise<UserRef> {
    count += 1;
    const user = await deps.users.create({ tenantId, email: `key-${count}@lotus.example` });
    return { id: user.id, tenantId };
  }

  const creationOptions = (user: UserRef, binding = BINDING) =>
    webauthn.registrationOptions({ ...user, label: 'key@lotus.example', displayName: '' }, binding);

  async function register(user: UserRef, device: SoftwareAuthenticator, lies: Lies = {}) {
    const response = device.create(await creationOptions(user), lies);
    return webauthn.register(user, BINDING, { name: '', response });
  }

  /** A user with one credential. */
  async function enrol(options: Partial<AuthenticatorSettings> = {}) {
    const device = createAuthenticator({ origin, ...options });
    const user = await addUser();
    const authenticator = await register(user, device);
    return { user, device, authenticator };
  }

  async function prove(
    user: UserRef | null,
    device: SoftwareAuthenticator,
    lies: Lies = {},
  ): Promise<WebAuthnProof | undefined> {
    const response = device.get(await webauthn.assertionOptions(user, BINDING), lies);
    return webauthn.assert(user, BINDING, response);
  }

  /** Events about a user, in the order that they were written. */
  const eventsOf = async (user: UserRef): Promise<{ type: string; data: object }[]> =>
    deps.postgres
      .knex('outbox_events')
      .where({ subject: user.id })
      .orderBy('id')
      .select('type', 'data');

  /** Why the last answer was refused, as the operator reads it. */
  const lastReason = (): string => {
    const line = gatehouse.logs.findLast(({ event }) => event === 'auth.webauthn_refused');
    return String(line?.reason);
  };

  return {
    ...gatehouse,
    ...{ clock, origin, webauthn, tenantId, addUser, creationOptions, register, enrol, prove },
    ...{ eventsOf, lastReason },
  };
}

export const refusal = (code: string) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, code, String(error));
  return true;
};
