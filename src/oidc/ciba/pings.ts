import type { BackchannelAuthenticationRequest, Client, Provider } from 'oidc-provider';
import type { Logger } from 'pino';
import { OutboundRefusedError } from '../../infra/outbound.ts';
import { type JobQueue, PermanentJobError } from '../../infra/queues.ts';
import type { Sealer } from '../../infra/sealing.ts';
import { sha256 } from '../../kernel/crypto.ts';

/** Tries over about four minutes: a client polls as well, or its request expires. */
export const PING_RETRIES = { attempts: 8, backoff: 2_000 };

/** Associated data under which queued pings are sealed: they hold what the client polls with. */
const SEALED_AS = 'ciba-ping';

type Request = BackchannelAuthenticationRequest;
type Ping = (this: Client, request: Request) => Promise<void>;

/** A member of the engine's Client that its types leave out. */
interface PatchableClient {
  prototype: { backchannelPing: Ping };
}

/** Tells clients in ping mode that an answer awaits them (CIBA Core 10.2). */
export interface Pings {
  enqueue(request: Pick<Request, 'jti'>): Promise<void>;
  /** Sends what is queued, in this process. */
  start(): void;
}

/**
 * Upstream pings while the person's answer is being saved: a client that is slow
 * or down would spoil their page, and would not be asked again.
 * @returns what pings now, by the request's id; does nothing for one that is over
 */
export function deferPings(
  provider: Provider,
  enqueue: Pings['enqueue'],
): (authReqId: string) => Promise<void> {
  const { prototype } = provider.Client as unknown as PatchableClient;
  const ping = prototype.backchannelPing;
  prototype.backchannelPing = (request) => enqueue(request);
  return async (authReqId) => {
    const request = await provider.BackchannelAuthenticationRequest.find(authReqId);
    if (!request || request.consumed || request.isExpired) return;
    const client = await provider.Client.find(request.clientId ?? '');
    if (client) await ping.call(client, request);
  };
}

interface PingError extends Error {
  response?: { status: number };
}

/** Whether another try would meet the same end: the client says no, or may not be reached. */
function isOver({ response, cause }: PingError): boolean {
  if (cause instanceof OutboundRefusedError) return true;
  if (cause instanceof Error && isOver(cause)) return true;
  return response !== undefined && response.status < 500 && response.status !== TOO_MANY;
}

const TOO_MANY = 429;

/** @param deps `send` pings now, by the engine in use */
export function createPings(deps: {
  queue: JobQueue<{ sealed: string }>;
  sealer: Sealer;
  log: Logger;
  send(authReqId: string): Promise<void>;
  onResult(result: 'sent' | 'retried' | 'failed'): void;
}): Pings {
  const { queue, sealer, log, onResult } = deps;
  return {
    async enqueue({ jti }) {
      const sealed = sealer.seal(jti, SEALED_AS).toString('base64');
      await queue.add(sha256(jti).toString('hex'), { sealed });
    },
    start() {
      queue.consume(async ({ sealed }, { attempt, isLast }) => {
        const authReqId = sealer.open(Buffer.from(sealed, 'base64'), SEALED_AS).toString();
        try {
          await deps.send(authReqId);
          onResult('sent');
        } catch (error) {
          const over = isLast || isOver(error as PingError);
          const { status } = (error as PingError).response ?? {};
          log.warn({ status, attempt, isOver: over }, 'CIBA ping not delivered');
          onResult(over ? 'failed' : 'retried');
          const reason = `ping not delivered: ${status ?? 'no answer'}`;
          throw over ? new PermanentJobError(reason) : new Error(reason);
        }
      });
    },
  };
}
