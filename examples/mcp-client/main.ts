import { readResource } from './client.ts';

/** Reads the environment and one argument: `node examples/mcp-client/main.ts http://localhost:3002/notes`. */
const [address = 'http://localhost:3002/notes'] = process.argv.slice(2);
const { clientId, body } = await readResource(address, {
  openBrowser: (url) => console.error(`Open this in a browser:\n\n  ${url}\n`),
  documentUrl: process.env.CLIENT_DOCUMENT || undefined,
  initialAccessToken: process.env.INITIAL_ACCESS_TOKEN || undefined,
});
console.error(`Known to the provider as ${clientId}`);
console.log(JSON.stringify(body, null, 2));
