import type { Logger } from 'pino';
import type { ZodType } from 'zod';
import type { Clock } from '../kernel/clock.ts';
import { PermanentJobError, type QueueOptions, type Queues } from './queues.ts';
import type { Sealer } from './sealing.ts';

/** One message to one person. */
export interface Letter<Request> {
  /**
   * Null goes nowhere, after the same work: for answers that must not tell by
   * their time whether somebody exists.
   */
  to: string | null;
  /** What to write when it is sent: template, language and values. */
  request: Request;
  /** Milliseconds since the epoch; a message that is still waiting then is of no use. */
  expiresAt: number;
}

/** What came of a try; `refused` was asked for while nothing could send it. */
export type PostResult = 'sent' | 'retried' | 'failed' | 'expired' | 'refused';

/** Sends messages of one channel from a queue: who asks for one never waits for its server. */
export interface Post<Request> {
  /** Whether messages of a tenant can be sent; asked before anything begins that needs one. */
  isReady(tenantId?: string): Promise<boolean>;
  /** Queues a message, once per `id`. @throws when Redis does not answer, or for a bad address */
  enqueue(id: string, letter: Letter<Request>): Promise<void>;
  /** Sends what is queued, in this process. */
  start(): void;
  /** Empties messages to these addresses that still wait. @throws when Redis does not answer */
  forget(addresses: readonly string[]): Promise<void>;
}

/** A message was not delivered; nothing in it tells to whom. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  /** Whether another try would meet the same end. */
  readonly isFinal: boolean;
  /** For the log. */
  readonly facts: Record<string, unknown>;

  constructor(message: string, options: { isFinal: boolean; facts?: Record<string, unknown> }) {
    super(message);
    this.isFinal = options.isFinal;
    this.facts = options.facts ?? {};
  }
}

/** A message that is carried: `id` is the same for each try. */
export interface Delivery<Request> {
  id: string;
  to: string;
  request: Request;
}

export interface PostOptions<Request> {
  /** `mail` or `sms`: name of the queue, and of what is sealed in it. */
  name: string;
  retries: Pick<QueueOptions, 'attempts' | 'backoff'>;
  address: ZodType<string>;
  queues: Pick<Queues, 'create'>;
  sealer: Sealer;
  clock: Clock;
  log: Logger;
  isReady(tenantId: string | undefined): Promise<boolean>;
  /** @throws DeliveryError */
  deliver(delivery: Delivery<Request>): Promise<void>;
  onResult(result: PostResult): void;
}

/**
 * Ids of messages that are done stay so long, without their content: what asks
 * for one twice, as a consumer that was interrupted does, still sends it once.
 */
const KEEP = { age: 24 * 3_600, count: 100_000 };

export function createPost<Request>(options: PostOptions<Request>): Post<Request> {
  const { name, sealer, clock, log } = options;
  const queue = options.queues.create<{ id: string; sealed: string }>(name, {
    ...options.retries,
    keep: KEEP,
  });

  const read = (sealed: string): Letter<Request> =>
    JSON.parse(sealer.open(Buffer.from(sealed, 'base64'), name).toString());

  /** Whether a job is for one of these; what cannot be opened is nobody's. */
  function isFor(addresses: ReadonlySet<string>, sealed: string | undefined): boolean {
    if (sealed === undefined) return false;
    try {
      const { to } = read(sealed);
      return to !== null && addresses.has(to.toLowerCase());
    } catch {
      return false;
    }
  }

  async function deliver(
    delivery: Delivery<Request>,
    { attempt, isLast }: { attempt: number; isLast: boolean },
  ): Promise<void> {
    try {
      await options.deliver(delivery);
      options.onResult('sent');
    } catch (error) {
      const known = error instanceof DeliveryError ? error : undefined;
      const isOver = isLast || known?.isFinal === true;
      // What is not known may repeat the address, and would be kept with the job.
      const reason = known?.message ?? (error as Error).name;
      log.warn({ ...known?.facts, reason, attempt, isOver }, `${name} not sent`);
      options.onResult(isOver ? 'failed' : 'retried');
      throw isOver ? new PermanentJobError(reason) : new Error(reason);
    }
  }

  return {
    async isReady(tenantId) {
      const isReady = await options.isReady(tenantId);
      if (!isReady) options.onResult('refused');
      return isReady;
    },
    async enqueue(id, letter) {
      if (letter.to !== null) options.address.parse(letter.to);
      const sealed = sealer.seal(JSON.stringify(letter), name).toString('base64');
      await queue.add(id, { id, sealed });
    },
    async forget(addresses) {
      const wanted = new Set(addresses.map((one) => one.toLowerCase()));
      if (wanted.size > 0) await queue.forget(({ sealed }) => isFor(wanted, sealed));
    },
    start: () =>
      queue.consume(
        async ({ id, sealed }, facts) => {
          // Done, but cut off before that was written down.
          if (sealed === undefined) return;
          const { to, request, expiresAt } = read(sealed);
          try {
            if (to !== null && expiresAt <= clock.now()) options.onResult('expired');
            else if (to !== null) await deliver({ id, to, request }, facts);
          } catch (error) {
            if (error instanceof PermanentJobError) await facts.forget();
            throw error;
          }
          await facts.forget();
        },
        { concurrency: 4 },
      ),
  };
}
