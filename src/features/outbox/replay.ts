import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import {
  countUnpublished,
  type EventFilter,
  type LoggedEvent,
  listLogged,
  listSinks,
  redeliver,
  type SinkState,
} from './replay-repository.ts';

/** Events that one transaction lets wait again. */
const BATCH = 1_000;

/** The sink of our own consumers: told again, they may write to people again. */
const OWN_CONSUMERS = 'consumers';

export interface EventLog {
  list(filter: EventFilter, limit: number): Promise<LoggedEvent[]>;
  /** How many events nobody has taken yet, and what each sink waits for. */
  progress(): Promise<{ unpublished: number; sinks: SinkState[] }>;
  /**
   * Lets events be sent again, by the relays that run: same ids, in order.
   * @param sinks by name; by default all brokers
   * @returns the sinks and the number of events
   * @throws RangeError naming a sink that no worker has
   */
  replay(
    filter: EventFilter,
    sinks?: readonly string[],
  ): Promise<{ sinks: string[]; events: number }>;
}

/** What happened, for those who look at it or need it once more. */
export function createEventLog({ knex, clock }: { knex: Knex; clock: Clock }): EventLog {
  async function chooseSinks(wanted: readonly string[] | undefined): Promise<string[]> {
    const known = (await listSinks(knex)).map(({ name }) => name);
    const unknown = wanted?.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new RangeError(unknown);
    return wanted ? [...wanted] : known.filter((name) => name !== OWN_CONSUMERS);
  }

  return {
    list: (filter, limit) => listLogged(knex, filter, limit),
    async progress() {
      return { unpublished: await countUnpublished(knex), sinks: await listSinks(knex) };
    },
    async replay(filter, wanted) {
      const sinks = await chooseSinks(wanted);
      const now = new Date(clock.now());
      let after = '0';
      let events = 0;
      while (sinks.length > 0) {
        const batch = await redeliver(knex, filter, sinks, { after, limit: BATCH, now });
        events += batch.count;
        after = batch.last;
        if (batch.count < BATCH) break;
      }
      return { sinks, events };
    },
  };
}
