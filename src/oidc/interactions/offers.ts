import type { Messenger } from '../../features/messaging/index.ts';
import { type TenantService, tenantSettings } from '../../features/tenant/index.ts';
import type { Step } from '../step.ts';

export interface OfferDeps {
  tenants: TenantService;
  messenger: Pick<Messenger, 'isReady'>;
}

/** What the organisation of a step lets people do beside typing a password. */
export interface Offers {
  emailCode: boolean;
  smsCode: boolean;
  forgot: boolean;
  signUp: boolean;
  /** Whether an address or number can be proved. */
  mail: boolean;
  sms: boolean;
  /** Shortest password, in characters. */
  minLength: number;
}

const defaults = tenantSettings.parse({});

/** What the organisation wants, as far as messages can be sent: nothing begins that cannot end. */
export const createOffers =
  (deps: OfferDeps) =>
  async ({ page }: Pick<Step, 'page'>): Promise<Offers> => {
    const tenantId = page.tenantId ?? undefined;
    const tenant = tenantId ? await deps.tenants.find(tenantId) : undefined;
    const settings = tenant?.settings ?? defaults;
    const [mail, sms] = await Promise.all([
      deps.messenger.isReady('mail', tenantId),
      deps.messenger.isReady('sms', tenantId),
    ]);
    return {
      emailCode: mail && settings.emailCodeSignIn,
      smsCode: sms && settings.smsCodeSignIn,
      forgot: mail || sms,
      signUp: settings.selfRegistration && (mail || sms || !settings.requireVerifiedEmail),
      mail,
      sms,
      minLength: settings.passwordMinLength,
    };
  };
