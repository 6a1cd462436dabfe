import { createActivityService } from '../features/activity/index.ts';
import { createConnectedApplicationService } from '../features/connected-application/index.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { documentHostOf } from '../oidc/clients/documents.ts';
import { openidScopes } from '../oidc/resources.ts';
import { isLocale, type Locale, negotiateLocale, scopeLine } from '../pages/index.ts';
import type { Features } from './features.ts';
import type { Web } from './web.ts';

/** What people see of what has access to their account, and what happened to it. */
export function createOversight(
  infra: Infrastructure,
  features: Features,
  { texts }: Pick<Web, 'texts'>,
) {
  const findClient = features.directory.find;
  return {
    applications: createConnectedApplicationService({
      ...features,
      findClient,
      documentHostOf,
      openidScopes,
      describeScope: (scope, locale) => scopeLine(texts, isLocale(locale) ? locale : 'en', scope),
    }),
    activity: createActivityService({
      knex: infra.postgres.knex,
      clock: infra.clock,
      findClient,
    }),
    localeFor: (acceptLanguage: string | undefined): Locale =>
      negotiateLocale({ acceptLanguage, tenantDefault: 'en' }),
  };
}

export type Oversight = ReturnType<typeof createOversight>;
