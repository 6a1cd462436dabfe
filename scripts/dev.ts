/**
 * The development instance behind `npm start`: Gatehouse with demo data, and
 * the demo relying party beside it on an origin of its own.
 */
import { createServer } from 'node:http';
import { createRelyingParty } from '../examples/relying-party/server.ts';
import { DEMO_FILE, type Demo, seedDemo } from '../seeds/demo.ts';
import { loadConfigOrExit } from '../src/config.ts';
import { createDeps } from '../src/deps.ts';
import { start } from '../src/start.ts';

function addresses(issuer: string, relyingParty: string, demo: Demo): string[] {
  const show = ({ email, password }: { email: string; password: string }) =>
    demo.isNew ? `${email}   ${password}` : email;
  return [
    `Gatehouse            ${issuer}`,
    `Demo application     ${relyingParty}   (start here: sign in)`,
    `Discovery            ${issuer}/.well-known/openid-configuration`,
    `API documentation    ${issuer}/openapi.json`,
    '',
    `User                 ${show(demo.user)}`,
    `Administrator        ${show(demo.administrator)}`,
    demo.isNew
      ? `                     shown this once, kept in ${DEMO_FILE}`
      : `                     passwords are in ${DEMO_FILE}`,
  ];
}

const config = loadConfigOrExit();
const demoUrl = config.DEMO_URL ?? 'http://localhost:3001';

const gatehouse = await start(config);
const deps = await createDeps(config);
const demo = await seedDemo(deps, demoUrl);
await deps.close();

const relyingParty = createServer(
  createRelyingParty({
    issuer: config.ISSUER,
    baseUrl: demoUrl,
    clientId: demo.firstParty.clientId,
    clientSecret: demo.firstParty.clientSecret,
    secondClient: {
      clientId: demo.thirdParty.clientId,
      clientSecret: demo.thirdParty.clientSecret,
    },
  }),
);
await new Promise<void>((resolve, reject) => {
  relyingParty.once('error', reject);
  relyingParty.listen(Number(new URL(demoUrl).port), resolve);
});

process.send?.({ type: 'ready', lines: addresses(config.ISSUER, demoUrl, demo) });

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.once(signal, () => {
    relyingParty.close();
    relyingParty.closeAllConnections();
    gatehouse.stop(signal).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
