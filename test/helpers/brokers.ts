import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { startNats, startRabbitmq } from '../../scripts/lib/brokers.mjs';

const { NATS_SERVER_PATH, NATS_SKIP_REASON, RABBITMQ_SERVER_PATH, RABBITMQ_SKIP_REASON } =
  process.env;

/** Why tests with a broker cannot run, or false. */
export const skipNats = NATS_SERVER_PATH ? false : (NATS_SKIP_REASON ?? 'no NATS_SERVER_PATH');
export const skipRabbitmq = RABBITMQ_SERVER_PATH
  ? false
  : (RABBITMQ_SKIP_REASON ?? 'no RABBITMQ_SERVER_PATH');

export interface Broker {
  url: string;
  pid: number;
  /** How it ended. */
  exited: Promise<string>;
  /** Stops it; `start` brings it back on its data and port. */
  stop(): Promise<void>;
  /** Kills it without warning. */
  crash(): Promise<void>;
  start(): Promise<void>;
}

type Start = (dataDir: string) => Promise<Omit<Broker, 'start' | 'crash'>>;

/** A broker of the test file's own, stopped after it. */
async function open(name: string, start: Start): Promise<Broker> {
  const dataDir = mkdtempSync(path.join(tmpdir(), `gatehouse-${name}-`));
  let service = await start(dataDir);
  after(async () => {
    await service.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const { url } = service;
  return {
    url,
    get pid() {
      return service.pid;
    },
    get exited() {
      return service.exited;
    },
    stop: () => service.stop(),
    async crash() {
      process.kill(service.pid, 'SIGKILL');
      await service.exited;
    },
    async start() {
      service = await start(dataDir);
    },
  };
}

/** NATS with JetStream; ask `skipNats` first. */
export const openNats = (): Promise<Broker> =>
  open('nats', (dataDir) => startNats({ command: NATS_SERVER_PATH ?? '', dataDir }));

/** RabbitMQ; takes seconds to start. Ask `skipRabbitmq` first. */
export const openRabbitmq = (): Promise<Broker> =>
  open('rabbitmq', (dataDir) => startRabbitmq({ command: RABBITMQ_SERVER_PATH ?? '', dataDir }));
