import { openApiDocument } from '../api-document.ts';
import type { Config } from '../config.ts';
import { PHISHING_RESISTANT, TWO_FACTORS } from '../features/mfa/index.ts';
import { listHistory } from '../features/outbox/index.ts';
import { listExternalIdentities } from '../features/trusted-issuer/index.ts';
import { createDataExport } from '../features/user/index.ts';
import { createRequestLimiter } from '../infra/rate-limits.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { purgeExpired } from '../oidc/adapter/index.ts';
import { createAuthenticate } from '../oidc/authenticate.ts';
import { createThumbprintReader } from '../oidc/client-certificate.ts';
import { checkDpopProof, dpopAlgorithms } from '../oidc/dpop-proof.ts';
import { createFindAccount } from '../oidc/engine.ts';
import type { EngineHost } from '../oidc/host.ts';
import { apiRoutes } from '../routes.ts';
import type { Accounts } from './accounts.ts';
import type { Features } from './features.ts';
import type { Oversight } from './oversight.ts';

/** Requests of one address to the API: for all routes together, and for each sensitive one. */
const REQUEST_BUDGETS = {
  default: { limit: 600, windowMs: 60_000, perRoute: false },
  sensitive: { limit: 30, windowMs: 60_000, perRoute: true },
};

/** Rows of each table that one purge deletes at most. */
const PURGE_BATCH = 1_000;

/** The API's routes and who may call them. */
export function createApiParts(
  config: Config,
  infra: Infrastructure,
  features: Features & Accounts & Oversight,
  engine: EngineHost,
) {
  const dpopAlgs = () => dpopAlgorithms(engine.current().provider);
  const { knex } = infra.postgres;
  const exportData = createDataExport({
    ...features,
    clock: infra.clock,
    listExternalIdentities: (userId) => listExternalIdentities(knex, userId),
    listHistory: (userId, limit) => listHistory(knex, userId, limit),
  });
  const routes = apiRoutes({ ...features, me: { ...features, exportData } });
  let document: string | undefined;
  return {
    exportData,
    routes,
    limiter: createRequestLimiter(features.rateLimits, REQUEST_BUDGETS),
    authenticate: createAuthenticate({
      issuer: config.ISSUER,
      verifier: () => engine.current().verifier,
      findAccountId: (claims) => engine.current().findAccountId(claims),
      findAccount: createFindAccount(features.users),
      findClient: features.directory.find,
      checkDpopProof: (request, respond) =>
        checkDpopProof(engine.current().provider, request, respond),
      certificateThumbprint: createThumbprintReader(config.MTLS_CERTIFICATE_HEADER),
      dpopAlgs,
    }),
    dpopAlgs,
    async findEnrolledAcrs({ userId }: { userId: string }) {
      const kinds = await features.users.listSecondFactors(userId);
      return kinds.length > 0 ? [TWO_FACTORS, PHISHING_RESISTANT] : undefined;
    },
    openApi() {
      document ??= JSON.stringify(openApiDocument(routes, config.ISSUER));
      return document;
    },
    purgeExpired: () =>
      purgeExpired({ pool: infra.postgres.pool, clock: infra.clock }, { batch: PURGE_BATCH }),
  };
}
