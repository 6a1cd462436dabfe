import { newId, newSecret } from '../../kernel/ids.ts';
import { documentClients } from '../clients/documents.ts';
import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Clients that register themselves (RFC 7591, 7592), or are named by a document of theirs. */
export function registration({ config, rateLimits }: ProviderDeps) {
  const mode = config.DYNAMIC_REGISTRATION;
  const isOn = mode !== 'off';
  return {
    registration: {
      enabled: isOn,
      initialAccessToken: mode === 'token',
      idFactory: () => newId(),
      secretFactory: () => newSecret(),
      issueRegistrationAccessToken: true,
    },
    registrationManagement: {
      enabled: isOn,
      rotateRegistrationAccessToken: true,
    },
    ...documentClients({ config, rateLimits }),
  } satisfies Features;
}
