#!/usr/bin/env node
/**
 * The command line: see `gatehouse --help` and docs/operations.md. It shares
 * the service's cache of compiled sources, which must be asked for before
 * anything is imported.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../.data/compile-cache', import.meta.url)));
const { runCli } = await import('./cli/program.ts');
process.exit(await runCli(process.argv));
