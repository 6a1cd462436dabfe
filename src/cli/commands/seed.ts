import type { AddCommands } from '../command.ts';
import { setAction } from '../command.ts';
import { CliError, EXIT } from '../errors.ts';
import { details } from '../output.ts';

/** Where `npm start` serves its demo application. */
const DEMO_URL = 'http://localhost:3001';

async function loadSeed() {
  try {
    return await import('../../../seeds/demo.ts');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new CliError('Demo data is not part of this installation.', {
      advice: 'The container image leaves it out; use a checkout of the source.',
      cause: error,
    });
  }
}

/** The demo application that the clients are made for. @throws CliError for what is no URL */
function demoUrl(given: string | undefined, configured: string | undefined): string {
  const url = given ?? configured ?? DEMO_URL;
  if (!URL.canParse(url)) {
    throw new CliError(`--demo-url ${url} is not a URL.`, { exitCode: EXIT.usage });
  }
  return url.replace(/\/+$/, '');
}

/** `gatehouse seed` */
export const addSeed: AddCommands = (program, setExitCode) => {
  const command = program
    .command('seed')
    .description('fill a development database with a demo tenant, two users and two clients')
    .option('--demo-url <url>', `the demo application (default: DEMO_URL, then ${DEMO_URL})`);
  setAction<{ demoUrl?: string }>(command, setExitCode, async (context, options) => {
    const { config } = context;
    if (config.isProduction) {
      throw new CliError('Demo data is refused in production: its accounts must not exist there.', {
        advice: 'To create the first user: gatehouse users create --tenant platform',
      });
    }
    const url = demoUrl(options.demoUrl, config.DEMO_URL);
    const { DEMO_FILE, seedDemo } = await loadSeed();
    const demo = await seedDemo(await context.deps(), url);
    const json = {
      tenant: demo.tenant,
      users: [demo.administrator.email, demo.user.email],
      clients: [demo.firstParty.clientId, demo.thirdParty.clientId],
      file: DEMO_FILE,
    };
    const text = details({
      tenant: json.tenant,
      administrator: demo.administrator.email,
      user: demo.user.email,
      clients: json.clients.join(', '),
      'passwords and secrets': DEMO_FILE,
    });
    return { json, text };
  });
};
