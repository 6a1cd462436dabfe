// Finds (or installs) the brokers that events are published to, and starts instances for tests.
import { existsSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { aptInstall, canInstallWithApt } from './apt.mjs';
import { findProgram, freePort, writePrivateFile } from './common.mjs';
import { startService } from './service.mjs';

/** Debian's command in the PATH is a wrapper that changes user and folder; this is what it calls. */
const RABBITMQ_SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/**
 * @typedef {{ path: string } | { path: null, reason: string }} Found a program, or why there is none
 */

/**
 * @param {(text: string) => void} log told about steps that take long
 * @returns {Promise<{ nats: Found, rabbitmq: Found }>}
 */
export async function findBrokers(log) {
  const find = () => ({
    nats: findProgram('nats-server'),
    rabbitmq: existsSync(RABBITMQ_SCRIPT) ? RABBITMQ_SCRIPT : findProgram('rabbitmq-server'),
  });
  const packages = /** @type {string[]} */ ([]);
  const before = find();
  if (!before.nats) packages.push('nats-server');
  if (!before.rabbitmq) packages.push('rabbitmq-server');
  const canInstall = canInstallWithApt();
  if (packages.length > 0 && canInstall) {
    log(`installing ${packages.join(' and ')} with apt-get (about a minute)`);
    await aptInstall(packages);
  }
  const after = find();
  const why = canInstall ? 'apt-get could not install it' : 'install it';
  /** @param {string} name @param {string | undefined} file @returns {Found} */
  const found = (name, file) =>
    file ? { path: file } : { path: null, reason: `no ${name} on the PATH: ${why}` };
  return {
    nats: found('nats-server', after.nats),
    rabbitmq: found('rabbitmq-server', after.rabbitmq),
  };
}

/** @param {string} value as a string of NATS' configuration and of JSON */
const quoted = (value) => JSON.stringify(value);

/**
 * Starts NATS with JetStream on 127.0.0.1.
 * @param {{ command: string, dataDir: string }} options the folder keeps streams and port
 * @returns {Promise<import('./service.mjs').Service & { url: string }>}
 */
export async function startNats({ command, dataDir }) {
  const store = path.join(dataDir, 'streams');
  mkdirSync(store, { recursive: true, mode: 0o700 });
  const service = await startService({
    name: 'NATS',
    stateDir: dataDir,
    command,
    args: (port) => {
      const file = path.join(dataDir, 'nats.conf');
      const lines = [
        `listen: "127.0.0.1:${port}"`,
        'authorization { user: gatehouse, password: test }',
        `jetstream { store_dir: ${quoted(store)}, max_mem: 64MB, max_file: 1GB }`,
      ];
      writePrivateFile(file, `${lines.join('\n')}\n`);
      return ['--config', file];
    },
    cwd: store,
    env: process.env,
    account: undefined,
    port: undefined,
    stopSignal: 'TERM',
    killSignal: 'SIGKILL',
    ready: (port) => answers(port, '', 'INFO '),
  });
  return { ...service, url: `nats://gatehouse:test@127.0.0.1:${service.port}` };
}

/**
 * Starts RabbitMQ on 127.0.0.1, with a port mapper of its own, so that it meets no other.
 * @param {{ command: string, dataDir: string }} options the folder keeps queues and port
 * @returns {Promise<import('./service.mjs').Service & { url: string }>}
 */
export async function startRabbitmq({ command, dataDir }) {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const mapper = await startMapper(path.join(dataDir, 'epmd'));
  const base = path.join(dataDir, 'mnesia');
  const plugins = path.join(dataDir, 'enabled_plugins');
  mkdirSync(base, { recursive: true, mode: 0o700 });
  writePrivateFile(plugins, '[].\n');
  const distribution = String(await freePort());
  const file = path.join(dataDir, 'rabbitmq.conf');
  try {
    const service = await startService({
      name: 'RabbitMQ',
      stateDir: dataDir,
      command,
      args: (port) => {
        const lines = [
          `listeners.tcp.1 = 127.0.0.1:${port}`,
          'num_acceptors.tcp = 2',
          'disk_free_limit.absolute = 1MB',
          'log.console = true',
          'log.console.level = error',
        ];
        writePrivateFile(file, `${lines.join('\n')}\n`);
        return [];
      },
      cwd: base,
      env: {
        PATH: process.env.PATH,
        HOME: dataDir,
        LANG: 'C.UTF-8',
        ERL_EPMD_PORT: String(mapper.port),
        ERL_EPMD_ADDRESS: '127.0.0.1',
        RABBITMQ_NODENAME: `gatehouse-${mapper.port}@localhost`,
        RABBITMQ_DIST_PORT: distribution,
        RABBITMQ_CONFIG_FILE: file,
        RABBITMQ_MNESIA_BASE: base,
        RABBITMQ_LOG_BASE: base,
        RABBITMQ_LOGS: '-',
        RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
        // One thread that does not spin; the script becomes the server instead of guarding it.
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +sbwt none',
        RUNNING_UNDER_SYSTEMD: '1',
      },
      account: undefined,
      port: undefined,
      stopSignal: 'TERM',
      killSignal: 'SIGKILL',
      ready: (port) => answers(port, 'AMQP\x00\x00\x09\x01', '\x01'),
    });
    void service.exited.then(() => mapper.stop());
    return {
      ...service,
      url: `amqp://guest:guest@127.0.0.1:${service.port}`,
      async stop() {
        await service.stop();
        await mapper.stop();
      },
    };
  } catch (error) {
    await mapper.stop();
    throw error;
  }
}

/** @param {string} dataDir */
function startMapper(dataDir) {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  return startService({
    name: 'epmd',
    stateDir: dataDir,
    command: findProgram('epmd') ?? 'epmd',
    args: (port) => ['-port', String(port), '-address', '127.0.0.1'],
    cwd: dataDir,
    env: process.env,
    account: undefined,
    port: undefined,
    stopSignal: 'TERM',
    killSignal: 'SIGKILL',
    // It answers a request of its names (110) with its port.
    ready: (port) => answers(port, '\x00\x01n', '\x00'),
  });
}

/**
 * @param {number} port
 * @param {string} request Latin-1; what is sent first
 * @param {string} start of the answer
 * @returns {Promise<boolean>} whether it answers so
 */
function answers(port, request, start) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    /** @param {boolean} ready */
    const finish = (ready) => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(1_000, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('connect', () => request && socket.write(request, 'latin1'));
    socket.setEncoding('latin1').once('data', (text) => finish(String(text).startsWith(start)));
  });
}
