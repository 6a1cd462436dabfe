import { createServer } from 'node:http';
import { createRequestListener } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { withLatency } from './latency-adapter.ts';

/** The service as a process of its own, each of whose stores answers STORE_LATENCY milliseconds late. */

const { STORE_LATENCY, ...env } = process.env;
const config = parseConfig(env);
const deps = await createDeps(config, {
  wrapAdapter: (factory) => withLatency(factory, Number(STORE_LATENCY)),
});
const server = createServer(createRequestListener(deps));
server.listen(config.PORT, '127.0.0.1');
