// Finds (or installs) Lighthouse for the slow tests. It is no dependency of the project: with the
// browser driver and the error reporter that it brings it would weigh more than all others together.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DATA_DIR, run } from './common.mjs';

/** Pinned, so that a new audit fails nobody's build by surprise. */
const VERSION = '13.5.0';

/**
 * @param {(text: string) => void} log told about steps that take long
 * @returns {Promise<{ path: string } | { path: null, reason: string }>} its entry point, or why there
 *   is none
 */
export async function findLighthouse(log) {
  const folder = path.join(DATA_DIR, 'tools', `lighthouse-${VERSION}`);
  const entry = path.join(folder, 'node_modules', 'lighthouse', 'core', 'index.js');
  if (existsSync(entry)) return { path: entry };
  log(`installing lighthouse ${VERSION} with npm (about half a minute)`);
  // Made beside and moved, so that an installation that was interrupted is not taken for one.
  const making = `${folder}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  writeFileSync(path.join(making, 'package.json'), JSON.stringify({ private: true }));
  const command = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save'];
  const { code } = await run('npm', [...command, `lighthouse@${VERSION}`], { cwd: making });
  if (code === 0 && readdirSync(making).includes('node_modules') && !existsSync(folder)) {
    renameSync(making, folder);
  }
  rmSync(making, { recursive: true, force: true });
  if (existsSync(entry)) return { path: entry };
  return { path: null, reason: `npm could not install lighthouse ${VERSION}` };
}
