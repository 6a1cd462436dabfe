import { loadConfigOrExit } from './config.ts';
import { start } from './start.ts';

/** The program: reads the configuration, starts what the run mode says, stops on signals. */

const running = await start(loadConfigOrExit());

let isStopping = false;

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // Not `once`: a second signal, as a whole process group gets one, must not cut the drain short.
  process.on(signal, () => {
    if (isStopping) return;
    isStopping = true;
    running.stop(signal).then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}
