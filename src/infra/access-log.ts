import { type Logger, pino } from 'pino';
import { requestFields } from './logger.ts';

/** What the request context logs with. */
export interface AccessLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

/**
 * Writes the line of each request beside pino, in the same shape: at thousands
 * a second, cleaning and formatting it anew is a tenth of the work of a request.
 * For members from bounded sets only, which need no cleaning: method, route
 * pattern, status, error code, duration. What is added of the request is
 * validated where it comes in (ids, trace).
 */
export function createAccessLog(log: Logger): AccessLog {
  const stream = (log as unknown as Record<symbol, { write(line: string): void }>)[
    pino.symbols.streamSym
  ];
  if (!stream) throw new Error('pino no longer tells its stream');
  const at =
    (level: 'debug' | 'info') =>
    (fields: object, msg: string): void => {
      if (!log.isLevelEnabled(level)) return;
      const time = new Date().toISOString();
      stream.write(`${JSON.stringify({ level, time, ...requestFields(), ...fields, msg })}\n`);
    };
  return { debug: at('debug'), info: at('info') };
}
