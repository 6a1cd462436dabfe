import type { Deps } from './deps.ts';
import type { EventConsumer } from './kernel/events.ts';

/** All that follows from events inside this service; each is told of an event once or more. */
export const createConsumers = (_deps: Deps): EventConsumer[] => [];
