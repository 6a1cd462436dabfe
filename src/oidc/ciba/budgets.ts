import type { Limit } from '../../infra/rate-limits.ts';

const MINUTE = 60_000;

/**
 * How often people may be asked: what they have allowed is given back, so that
 * only requests count that were denied or left alone. Mails cannot be used to
 * wear somebody down, whichever clients work together.
 */
export const cibaBudgets = (clientId: string, accountId: string): Limit[] => [
  { bucket: 'ciba-pair', key: `${clientId}\0${accountId}`, limit: 5, windowMs: 10 * MINUTE },
  { bucket: 'ciba-account', key: accountId, limit: 20, windowMs: 60 * MINUTE },
  { bucket: 'ciba-client', key: clientId, limit: 300, windowMs: MINUTE },
];
