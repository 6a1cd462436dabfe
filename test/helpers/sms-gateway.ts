import { createServer } from 'node:http';
import { after } from 'node:test';
import { freePort } from './gatehouse.ts';

/** A request as the gateway got it. */
export interface GatewayRequest {
  method: string;
  url: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface SmsGateway {
  url: string;
  requests: GatewayRequest[];
  /** How the next requests are answered, one after the other; then 200 and `{"status":"00"}`. */
  answerNext(...answers: { status: number; body: string }[]): void;
  /** The next request that was not taken yet. @throws after half a minute */
  take(): Promise<GatewayRequest>;
}

const PATIENCE = 30_000;

/** A real HTTP server on loopback that stands for an SMS gateway; closed after the test file. */
export async function createSmsGateway(): Promise<SmsGateway> {
  const requests: GatewayRequest[] = [];
  const answers: { status: number; body: string }[] = [];
  let taken = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
      const { status, body } = answers.shift() ?? { status: 200, body: '{"status":"00"}' };
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    answerNext: (...next) => void answers.push(...next),
    async take() {
      const deadline = performance.now() + PATIENCE;
      for (;;) {
        const request = requests[taken];
        if (request) {
          taken += 1;
          return request;
        }
        if (performance.now() > deadline) throw new Error('no SMS came');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}
