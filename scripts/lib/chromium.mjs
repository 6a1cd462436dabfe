// Finds (or installs) the Chromium that the browser tests drive.
import { aptInstall, canInstallWithApt } from './apt.mjs';
import { findProgram, run } from './common.mjs';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
/** The second one covers Vietnamese. */
const PACKAGES = ['chromium', 'fonts-dejavu-core'];

/**
 * @param {(text: string) => void} log told about steps that take long
 * @returns {Promise<{ path: string } | { path: null, reason: string }>} a browser that runs, or why
 *   there is none
 */
export async function findChromium(log) {
  const chosen = process.env.CHROMIUM_PATH;
  if (chosen) {
    if (await works(chosen)) return { path: chosen };
    return { path: null, reason: `CHROMIUM_PATH=${chosen} does not run` };
  }
  const found = await search();
  if (found) return { path: found };
  if (!canInstallWithApt()) {
    return { path: null, reason: 'no Chromium found: install one or set CHROMIUM_PATH' };
  }
  log(`not installed: installing ${PACKAGES.join(' and ')} with apt-get (about a minute)`);
  const { code } = await aptInstall(PACKAGES);
  const installed = code === 0 ? await search() : undefined;
  if (installed) return { path: installed };
  return { path: null, reason: 'no Chromium found, and apt-get could not install it' };
}

/** @returns {Promise<string | undefined>} the first on the PATH that runs */
async function search() {
  for (const name of PROGRAMS) {
    const file = findProgram(name);
    if (file && (await works(file))) return file;
  }
  return undefined;
}

/** @param {string} file */
async function works(file) {
  try {
    return (await run(file, ['--version'])).code === 0;
  } catch {
    return false;
  }
}
