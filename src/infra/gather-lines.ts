import type { DestinationStream } from 'pino';

/** Milliseconds that a line waits for others. */
const PATIENCE = 10;

/** Characters that do not wait. */
const ENOUGH = 16_384;

/**
 * Lines of a few milliseconds leave in one write: under load a system call for
 * each costs more than making it. When the process ends, by itself or by an
 * error, what is left goes out; only SIGKILL takes the last ten milliseconds.
 */
export function gatherLines(destination: DestinationStream): DestinationStream {
  let lines = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const text = lines;
    lines = '';
    if (text !== '') destination.write(text);
  };
  process.once('exit', flush);
  return {
    write(line) {
      lines += line;
      if (lines.length >= ENOUGH) flush();
      else timer ??= setTimeout(flush, PATIENCE).unref();
    },
  };
}
