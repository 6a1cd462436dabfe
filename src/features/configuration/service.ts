import type { Knex } from 'knex';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { Secret } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { createFreshCache } from '../../kernel/fresh-cache.ts';
import { isUuid, newId } from '../../kernel/ids.ts';
import { configurationEvents } from './events.ts';
import * as repository from './repository.ts';
import {
  type Configuration,
  credentialsOf,
  type Group,
  kindOf,
  type MailServerSettings,
  parseTemplateKey,
  type SmsProviderSettings,
  type TemplateKey,
} from './schema.ts';

/** Milliseconds that settings may be used after another process changed them. */
const CACHE_AGE = 2_000;
const CACHE_SIZE = 1_000;

/** What is wrong with a part of a message that somebody wrote; undefined when nothing is. */
export type CheckTemplate = (group: Group, key: TemplateKey, value: string) => string | undefined;

export interface ConfigurationDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  sealer: Pick<Sealer, 'seal' | 'open'>;
  checkTemplate: CheckTemplate;
}

/** A setting in use, with its credentials open. */
export interface Found<Settings> {
  /** Changes with every change of it. */
  id: string;
  /** Whether a tenant chose it, and not the operator. */
  isOfTenant: boolean;
  settings: Settings;
  credentials: Record<string, Secret>;
}

export interface ConfigurationService {
  /** Of one tenant, of the platform (null), or all. */
  list(tenantId?: string | null): Promise<Configuration[]>;
  /**
   * Sets or replaces a setting. Without `credentials` those that are there stay,
   * unless they would go to another place. Other processes follow within seconds.
   * @param input `version`: only if that is the present one
   * @throws AppError IDENT_VALIDATION, IDENT_STALE_VERSION; z.ZodError
   */
  set(place: repository.Place, input: Input): Promise<Configuration>;
  /** @throws AppError IDENT_NOT_FOUND */
  unset(place: repository.Place): Promise<void>;
  /** The server of a tenant, else of the platform; undefined where neither has one. */
  mailServer(tenantId: string | undefined): Promise<Found<MailServerSettings> | undefined>;
  smsProvider(tenantId: string | undefined): Promise<Found<SmsProviderSettings> | undefined>;
  /** The parts of a message that the tenant, else the platform, wrote anew. */
  written(
    tenantId: string | undefined,
    group: Group,
    template: string,
    locale: string,
  ): Promise<{ [Part in TemplateKey['part']]?: string }>;
}

const invalid = (path: string, message: string): AppError =>
  new AppError('IDENT_VALIDATION', { errors: [{ path, message }] });

const sealedAs = (id: string): string => `configurations:${id}`;

const open = (
  sealer: Pick<Sealer, 'open'>,
  { id, sealed }: repository.StoredConfiguration,
): Record<string, string> =>
  sealed ? JSON.parse(sealer.open(sealed, sealedAs(id)).toString()) : {};

const toTold = ({ sealed: _, ...told }: repository.StoredConfiguration): Configuration => told;

interface Input {
  settings: unknown;
  credentials?: unknown;
  version?: number;
}

/** The settings of a new version, checked as they will be used. */
function readSettings({ group, key }: repository.Place, input: Input, check: CheckTemplate) {
  const settings = kindOf(group, key).settings.parse(input.settings);
  const written = parseTemplateKey(key);
  const problem = written && check(group, written, String(settings.value));
  if (problem) throw invalid('settings.value', problem);
  return settings;
}

/** The credentials of a new version; null where it has none. */
function readCredentials(
  { group, key }: repository.Place,
  settings: Record<string, unknown>,
  given: unknown,
  present: { settings: Record<string, unknown>; open(): Record<string, string> } | undefined,
): Record<string, string> | null {
  const kind = kindOf(group, key);
  const names = kind.needs(settings);
  if (names.length === 0) {
    if (given !== undefined) throw invalid('credentials', 'are not needed here');
    return null;
  }
  if (given !== undefined) return credentialsOf(names).parse(given);
  // Whoever may change a server must not be shown the password of the one before.
  const isSame = present && kind.destination(present.settings) === kind.destination(settings);
  const kept = credentialsOf(names).safeParse(isSame ? present.open() : {});
  if (kept.success) return kept.data;
  throw invalid('credentials', `must be given: ${names.join(', ')}`);
}

type Changes = Pick<ConfigurationService, 'set' | 'unset'>;

function createChanges(
  deps: ConfigurationDeps,
  forget: (tenantId: string | null) => void,
): Changes {
  const { knex, clock, emit, sealer } = deps;
  const note = (
    trx: Knex.Transaction,
    { id, tenantId, group, key, version }: Configuration,
    change: 'set' | 'unset',
  ) =>
    emit(
      trx,
      configurationEvents.changed,
      { subject: id, tenantId },
      { group, key, change, version },
    );

  return {
    async set(place, input) {
      const saved = await knex
        .transaction(async (trx) => {
          const present = await repository.lockConfiguration(trx, place);
          if (input.version !== undefined && input.version !== (present?.version ?? 0)) {
            throw new AppError('IDENT_STALE_VERSION');
          }
          const settings = readSettings(place, input, deps.checkTemplate);
          const credentials = readCredentials(
            place,
            settings,
            input.credentials,
            present && { settings: present.settings, open: () => open(sealer, present) },
          );
          const id = present?.id ?? newId();
          const sealed = credentials && sealer.seal(JSON.stringify(credentials), sealedAs(id));
          const next: repository.StoredConfiguration = {
            ...{ ...place, id, settings, sealed, hasCredentials: sealed !== null },
            version: (present?.version ?? 0) + 1,
            updatedAt: new Date(clock.now()),
          };
          await repository.saveConfiguration(trx, next);
          await note(trx, next, 'set');
          return next;
        })
        .catch((error: { code?: string; constraint?: string }) => {
          if (error.code === '23505') throw new AppError('IDENT_STALE_VERSION');
          throw error.code === '23503' ? invalid('tenantId', 'is no tenant') : error;
        });
      forget(place.tenantId);
      return toTold(saved);
    },
    async unset(place) {
      await knex.transaction(async (trx) => {
        const present = await repository.lockConfiguration(trx, place);
        if (!present) throw new AppError('IDENT_NOT_FOUND');
        await repository.deleteConfiguration(trx, present.id);
        await note(trx, present, 'unset');
      });
      forget(place.tenantId);
    },
  };
}

/** Settings that change while the service runs. */
export function createConfigurationService(deps: ConfigurationDeps): ConfigurationService {
  const { knex, clock, sealer } = deps;
  const cache = createFreshCache<repository.StoredConfiguration[]>({
    clock,
    maxAge: CACHE_AGE,
    maxEntries: CACHE_SIZE,
  });
  const read = (tenantId: string | null) =>
    cache.get(tenantId ?? '', () => repository.listConfigurations(knex, tenantId));
  const readBoth = async (tenantId: string | undefined) =>
    Promise.all([isUuid(tenantId) ? read(tenantId) : [], read(null)]);

  async function find<Settings>(
    tenantId: string | undefined,
    group: Group,
    key: string,
  ): Promise<Found<Settings> | undefined> {
    const found = (await readBoth(tenantId))
      .flat()
      .find((one) => one.group === group && one.key === key);
    if (!found) return undefined;
    const credentials = Object.entries(open(sealer, found));
    return {
      id: `${found.id}-${found.version}`,
      isOfTenant: found.tenantId !== null,
      settings: found.settings as Settings,
      credentials: Object.fromEntries(
        credentials.map(([name, value]) => [name, new Secret(value)]),
      ),
    };
  }

  return {
    ...createChanges(deps, (tenantId) => cache.delete(tenantId ?? '')),
    list: async (tenantId) => (await repository.listConfigurations(knex, tenantId)).map(toTold),
    mailServer: (tenantId) => find(tenantId, 'MAIL', 'server'),
    smsProvider: (tenantId) => find(tenantId, 'SMS', 'provider'),
    async written(tenantId, group, template, locale) {
      const [own, platform] = await readBoth(tenantId);
      const prefix = `template/${template}/${locale}/`;
      // The tenant's come last, and so go before those of the platform.
      const parts = [...platform, ...own]
        .filter((one) => one.group === group && one.key.startsWith(prefix))
        .map((one) => [one.key.slice(prefix.length), String(one.settings.value)]);
      return Object.fromEntries(parts);
    },
  };
}
