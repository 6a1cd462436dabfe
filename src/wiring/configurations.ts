import type { Knex } from 'knex';
import {
  type ConfigurationService,
  createConfigurationService,
} from '../features/configuration/index.ts';
import type { Sealer } from '../infra/sealing.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Emit } from '../kernel/events.ts';
import { checkOverride, isLocale, mailTemplates, smsTemplates } from '../pages/index.ts';

const has = <T extends string>(list: readonly T[], name: string): name is T =>
  list.some((one) => one === name);

/** Settings that administrators change while the service runs. */
export const createConfigurations = (deps: {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  sealer: Pick<Sealer, 'seal' | 'open'>;
}): ConfigurationService =>
  createConfigurationService({
    ...deps,
    checkTemplate(group, { template, locale, part }, value) {
      if (!isLocale(locale)) return `is in a language that there are no messages in: ${locale}`;
      if (group === 'MAIL') {
        if (!has(mailTemplates, template)) return `is for ${template}, which is no mail`;
        return checkOverride(template, 'mail', part, value);
      }
      if (!has(smsTemplates, template)) return `is for ${template}, which is no SMS`;
      if (part !== 'text') return `is for ${part}, which an SMS has not`;
      return checkOverride(template, 'sms', part, value);
    },
  });
