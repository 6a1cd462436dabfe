import type { Config } from '../config.ts';
import { loadServerSecrets } from '../infra/server-secrets.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { createBrowserSessions } from '../oidc/browser-sessions.ts';
import { createFindAccount } from '../oidc/engine.ts';
import type { EngineHost } from '../oidc/host.ts';
import { createJourneys } from '../oidc/interactions/journeys.ts';
import { createRestarts } from '../oidc/restarts.ts';
import { createPages } from '../pages/index.ts';
import { assetVersion } from '../web/assets.ts';
import { createDeviceCookies } from '../web/device-cookies.ts';
import { createErrorPages } from '../web/error-pages.ts';
import { createCsrfTokens } from '../web/forms.ts';
import { createOnward } from '../web/onward.ts';
import { createPageRenderer } from '../web/page-renderer.ts';
import type { Features } from './features.ts';

const folder = (name: string): URL => new URL(`../../${name}/`, import.meta.url);

/** What the hosted pages share. */
export async function createWeb(
  config: Config,
  infra: Infrastructure,
  features: Features,
  engine: () => EngineHost,
) {
  const secrets = { knex: infra.postgres.knex, sealer: infra.sealer, clock: infra.clock };
  const csrf = createCsrfTokens(() => engine().secrets().csrf);
  const [dpopSecret = Buffer.alloc(0)] = await loadServerSecrets(secrets, 'dpop');
  const restarts = createRestarts(infra.redis, features.directory);
  const texts = createPages({
    viewsDir: folder('views'),
    localesDir: folder('locales'),
    assetVersion: assetVersion(),
    cache: config.NODE_ENV !== 'development',
  });
  const pages = createPageRenderer({
    pages: texts,
    tenants: features.tenants,
    secureCookies: config.ISSUER.startsWith('https:'),
  });
  const errorPages = createErrorPages({ pages, findRestart: restarts.find });
  const deviceCookies = createDeviceCookies(config.ISSUER.startsWith('https:'));
  const journeys = createJourneys(infra.redis);
  const browserSessions = createBrowserSessions({
    sealer: infra.sealer,
    sessions: features.sessions,
    config,
    engine: () => engine().current().provider,
    findAccount: createFindAccount(features.users),
  });
  return {
    ...{ dpopSecret, csrf, restarts, texts, pages, errorPages, deviceCookies },
    ...{ journeys, browserSessions, onward: createOnward(config.ISSUER.startsWith('https:')) },
  };
}

export type Web = Awaited<ReturnType<typeof createWeb>>;
