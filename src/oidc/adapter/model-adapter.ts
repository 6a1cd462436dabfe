import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Clock } from '../../kernel/clock.ts';

/** The engine's adapter of one model, with a `find` that always says what it found. */
export interface ModelAdapter extends Adapter {
  find(id: string): Promise<AdapterPayload | undefined>;
  findByUid(uid: string): Promise<AdapterPayload | undefined>;
  findByUserCode(userCode: string): Promise<AdapterPayload | undefined>;
}

/** Methods that a model does not have: a call is a mistake of ours, or upstream has changed. */
export function unsupported(model: string): Omit<ModelAdapter, 'find' | 'upsert' | 'destroy'> {
  const refuse = (method: string) => async (): Promise<never> => {
    throw new TypeError(`${model} has no ${method}`);
  };
  return {
    findByUid: refuse('findByUid'),
    findByUserCode: refuse('findByUserCode'),
    consume: refuse('consume'),
    revokeByGrantId: refuse('revokeByGrantId'),
  };
}

/**
 * When an artefact expires: as its payload says, else `expiresIn` seconds from
 * now, else never.
 */
export function expiryOf(
  { exp }: Pick<AdapterPayload, 'exp'>,
  expiresIn: number | undefined,
  clock: Clock,
): Date | 'infinity' {
  if (typeof exp === 'number') return new Date(exp * 1000);
  if (typeof expiresIn === 'number') return new Date(clock.now() + expiresIn * 1000);
  return 'infinity';
}
