/**
 * Where the program begins. What V8 made of the sources is kept from start to
 * start, which halves the time that loading them takes; so it must be asked for
 * before anything is imported. Beside the sources, as nobody else may write
 * there; where this process may not either, it does without.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../.data/compile-cache', import.meta.url)));
await import('./run.ts');
