import type { PublishedEvent } from '../../kernel/events.ts';

/** Milliseconds that a batch may take; less than the relay waits for a sink. */
const BATCH_TIMEOUT = 8_000;

/**
 * Sends events one after the other within each subject, all subjects at once: a
 * broker may refuse one and take the next, and the order would be gone. After
 * the first failure, or too long, no further one is sent.
 * @throws what the first that failed threw
 */
export async function sendInOrder(
  events: readonly PublishedEvent[],
  send: (event: PublishedEvent) => Promise<void>,
): Promise<void> {
  const deadline = performance.now() + BATCH_TIMEOUT;
  const failures: unknown[] = [];
  async function sendEach(ofSubject: readonly PublishedEvent[]): Promise<void> {
    for (const event of ofSubject) {
      if (failures.length > 0) return;
      if (performance.now() > deadline) failures.push(new Error('the broker is too slow'));
      else await send(event).catch((error: unknown) => void failures.push(error));
    }
  }
  await Promise.all([...Map.groupBy(events, ({ subject }) => subject).values()].map(sendEach));
  if (failures.length > 0) throw failures[0];
}
