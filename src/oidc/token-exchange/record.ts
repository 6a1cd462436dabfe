import type { Knex } from 'knex';
import type { Emit } from '../../kernel/events.ts';
import { tokenExchangeEvents } from './events.ts';
import type { TokenExchangeDeps } from './index.ts';

/** Notes exchanges as events; who acts in the end is whom the audit log names. */
export const createExchangeRecorder =
  (deps: { knex: Knex; emit: Emit<Knex.Transaction> }): TokenExchangeDeps['record'] =>
  (exchange, tenantId) =>
    deps.knex.transaction((trx) =>
      deps.emit(
        trx,
        tokenExchangeEvents.exchanged,
        { subject: exchange.userId, tenantId, actorId: exchange.actors[0] ?? exchange.clientId },
        exchange,
      ),
    );
