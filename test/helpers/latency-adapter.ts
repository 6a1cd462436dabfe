import { setTimeout as sleep } from 'node:timers/promises';
import type { Adapter } from 'oidc-provider';

type Factory = (model: string) => Adapter;

/**
 * An adapter factory whose every call takes `milliseconds` longer before it
 * reaches the store. Races between a read and the write that follows it do not
 * show where the store answers at once.
 */
export const withLatency =
  (factory: Factory, milliseconds: number): Factory =>
  (model) => {
    const adapter = factory(model);
    const later =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        await sleep(milliseconds);
        return call(...args);
      };
    return {
      upsert: later(adapter.upsert.bind(adapter)),
      find: later(adapter.find.bind(adapter)),
      findByUid: later(adapter.findByUid.bind(adapter)),
      findByUserCode: later(adapter.findByUserCode.bind(adapter)),
      consume: later(adapter.consume.bind(adapter)),
      destroy: later(adapter.destroy.bind(adapter)),
      revokeByGrantId: later(adapter.revokeByGrantId.bind(adapter)),
    };
  };
