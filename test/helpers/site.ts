import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { createCertificate } from './certificate.ts';

type Page = (request: IncomingMessage, response: ServerResponse) => void;

/** Somebody's server on the web, for what clients refer to: keys, request objects, documents. */
export interface TestSite {
  /** Such as `https://localhost:41234`. */
  url: string;
  /** What `OUTBOUND_ALLOWED_HOSTS` must name for it to be reached. */
  host: string;
  /** Its certificate (PEM), for `overrides.outbound.ca`. */
  ca: string[];
  /** Answers a path with a value as JSON, or as it is if it is a text. */
  put(path: string, value: unknown, headers?: Record<string, string>): string;
  /** Answers a path by hand. */
  on(path: string, page: Page): string;
  /** Paths that were asked for, in order. */
  requests: string[];
}

/** Starts a site that is stopped after the test file. */
export async function startSite(): Promise<TestSite> {
  const { cert, key } = createCertificate(['localhost', 'sector.example', '127.0.0.1']);
  const pages = new Map<string, Page>();
  const requests: string[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    const path = request.url ?? '/';
    requests.push(path);
    const page = pages.get(path.split('?')[0] ?? '/');
    if (page) page(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close().closeAllConnections());
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  const url = `https://${host}`;
  const site: TestSite = {
    url,
    host,
    ca: [cert],
    requests,
    on(path, page) {
      pages.set(path, page);
      return url + path;
    },
    put(path, value, headers = {}) {
      const body = typeof value === 'string' ? value : JSON.stringify(value);
      return site.on(path, (_request, response) =>
        response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body),
      );
    },
  };
  return site;
}
