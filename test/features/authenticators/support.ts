import { Secret, TOTP } from 'otpauth';
import type { Deps } from '../../../src/deps.ts';

/** The code that an app shows for a seed that somebody has typed into it. */
export const showCode = (secret: string, milliseconds: number): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: milliseconds });

/** Sets an app up, to its first code. */
export async function addApp(
  { deps, clock }: { deps: Pick<Deps, 'totp'>; clock: { now(): number } },
  user: { id: string; tenantId: string },
  name = 'Phone',
): Promise<{ id: string; secret: string }> {
  const options = { name, issuerName: 'Lotus Health' };
  const { id, secret } = await deps.totp.enroll({ ...user, label: 'an@lotus.example' }, options);
  await deps.totp.confirm(user, id, showCode(secret, clock.now()));
  return { id, secret };
}
