// The health check of the image: does this process answer? Whether its stores do is the
// business of /health/ready: restarting Gatehouse does not bring a database back.

const { RUN_MODE = 'all', HOST, PORT = '3000' } = process.env;

/** Milliseconds; less than the time that the image gives to this program. */
const TIMEOUT = 4000;

/** @returns {Promise<boolean>} whether the process says that it lives */
async function isAlive() {
  const host = HOST || '127.0.0.1';
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${PORT}/health/live`;
  const signal = AbortSignal.timeout(TIMEOUT);
  return fetch(url, { signal }).then(
    ({ ok }) => ok,
    () => false,
  );
}

// These listen nowhere: when they fail, they end, and the container with them.
const isSilent = RUN_MODE === 'worker' || RUN_MODE === 'migrate';

process.exitCode = isSilent || (await isAlive()) ? 0 : 1;
