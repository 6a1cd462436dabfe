// Installs Debian packages where that is possible without asking: as root on Debian or Ubuntu.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { findProgram, isRoot, run } from './common.mjs';

/** Its exit status 101 tells Debian's maintainer scripts not to start a service. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';

/** @returns {boolean} whether `aptInstall` can work here */
export const canInstallWithApt = () => isRoot() && findProgram('apt-get') !== undefined;

/** Two installations at once would only block each other. @type {Promise<unknown>} */
let queue = Promise.resolve();

/**
 * Installs packages without starting a system service. Refreshes the package lists when the first
 * try fails.
 * @param {string[]} packages
 * @returns {Promise<{ code: number, output: string }>} exit code and output of the last apt-get
 */
export function aptInstall(packages) {
  const result = queue.then(() => install(packages));
  queue = result.catch(() => {});
  return result;
}

/** @param {string[]} packages */
async function install(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=120'];
  const args = [...wait, 'install', '-y', '--no-install-recommends', ...packages];
  const ownPolicy = !existsSync(POLICY_FILE);
  if (ownPolicy) writeFileSync(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const first = await run('apt-get', args, { env });
    if (first.code === 0) return first;
    const update = await run('apt-get', [...wait, 'update'], { env });
    return update.code === 0 ? await run('apt-get', args, { env }) : update;
  } finally {
    if (ownPolicy) rmSync(POLICY_FILE, { force: true });
  }
}
