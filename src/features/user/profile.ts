import { isDeepStrictEqual } from 'node:util';
import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { isUuid } from '../../kernel/ids.ts';
import type { TenantService } from '../tenant/index.ts';
import { type AttributeWriter, checkAttributes, mergeAttributes } from './attributes.ts';
import { type ChangedFields, lockUser, type UserKey, updateProfile } from './change-repository.ts';
import { userEvents } from './events.ts';
import type { Attributes, Profile, ProfilePatch } from './schema.ts';

/** A user of a tenant, and the version of it that the caller has read, if that matters. */
export interface Target extends UserKey {
  expectedVersion?: number | undefined;
}

export interface ChangeDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  tenants: Pick<TenantService, 'find'>;
}

/**
 * The user that is about to be changed, locked until the commit.
 * @throws AppError IDENT_NOT_FOUND, also for a user of another tenant; IDENT_STALE_VERSION
 */
export async function lockTarget(trx: Knex.Transaction, target: Target): Promise<Profile> {
  const isKey = isUuid(target.tenantId) && isUuid(target.userId);
  const user = isKey ? await lockUser(trx, target) : undefined;
  if (!user) throw new AppError('IDENT_NOT_FOUND');
  const { expectedVersion } = target;
  if (expectedVersion !== undefined && expectedVersion !== user.version) {
    throw new AppError('IDENT_STALE_VERSION');
  }
  return user;
}

/** @throws AppError IDENT_VALIDATION when attributes do not fit the schema of the tenant */
export async function assertAttributes(
  { tenants }: Pick<ChangeDeps, 'tenants'>,
  tenantId: string,
  attributes: Attributes,
  by: AttributeWriter,
): Promise<void> {
  const tenant = await tenants.find(tenantId);
  if (tenant) checkAttributes(tenant.settings.userAttributes, attributes, by);
}

/** What a patch changes, compared with what is there. */
async function compare(
  { tenants }: ChangeDeps,
  before: Profile,
  { attributes: patch, ...fields }: ProfilePatch,
  by: AttributeWriter,
): Promise<ChangedFields> {
  const after: ChangedFields = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  );
  const tenant = patch && (await tenants.find(before.tenantId));
  if (patch && tenant) {
    const schema = tenant.settings.userAttributes;
    after.attributes = mergeAttributes(schema, before.attributes, patch, by);
    checkAttributes(schema, after.attributes, by);
  }
  return Object.fromEntries(
    Object.entries(after).filter(
      ([name, value]) => !isDeepStrictEqual(value, before[name as keyof ChangedFields]),
    ),
  );
}

/** Changes of what is known of a user; see UserService. */
export const createProfileChanges = (deps: ChangeDeps) => ({
  /**
   * Changes a profile; one transaction with its event, or nothing where nothing differs.
   * @param by whoever changes it: people cannot set attributes that are `readOnly`
   * @returns the profile as it is then
   * @throws AppError IDENT_NOT_FOUND, IDENT_STALE_VERSION, IDENT_VALIDATION,
   *   IDENT_INVALID_TRANSITION for an account that was erased
   */
  update: (target: Target, patch: ProfilePatch, by: AttributeWriter): Promise<Profile> =>
    deps.knex.transaction(async (trx) => {
      const before = await lockTarget(trx, target);
      if (before.status === 'deactivated') throw new AppError('IDENT_INVALID_TRANSITION');
      const changes = await compare(deps, before, patch, by);
      const changed = Object.keys(changes).sort();
      if (changed.length === 0) return before;
      const { tenantId, userId } = target;
      const after = await updateProfile(trx, target, changes, new Date(deps.clock.now()));
      await deps.emit(
        trx,
        userEvents.profileUpdated,
        { subject: userId, tenantId },
        { userId, changed },
      );
      return after;
    }),
});
