/**
 * Where the program begins. What V8 made of the sources is kept from start to
 * start, which halves the time that loading them takes; so it must be asked for
 * before anything is imported. Beside the sources, as nobody else may write
 * there; where this process may not either, it does without.
 *
 * What loading leaves behind would make V8 keep room for as much again, about 40 MB:
 * the room for new objects does not grow before the start is over.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1');
enableCompileCache(fileURLToPath(new URL('../.data/compile-cache', import.meta.url)));
await import('./run.ts');
setFlagsFromString('--semi-space-growth-factor=2');
