import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Waits on the loopback interface for the browser to come back (RFC 8252 7.3). */
export interface CallbackListener {
  redirectUri: string;
  /** The address that the browser came back to, with the code or the error. */
  returned: Promise<URL>;
  close(): void;
}

export async function listenForCallback(): Promise<CallbackListener> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const returned = new Promise<URL>((resolve) => {
    server.on('request', (request, response) => {
      const url = new URL(request.url ?? '/', origin);
      if (url.pathname !== '/callback') return response.writeHead(404).end();
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      response.end('Signed in. You can close this window.\n');
      resolve(url);
    });
  });
  return {
    redirectUri: `${origin}/callback`,
    returned,
    close: () => server.close().closeAllConnections(),
  };
}
