import { type Profile, profilePatch, type UserService } from '../../features/user/index.ts';
import { AppError } from '../../kernel/errors.ts';
import type { AttributeField, FormError, ProfileModel } from '../../pages/index.ts';
import type { Form } from '../forms.ts';
import { attributeError, readAttributes, toAttributeFields } from './attribute-fields.ts';
import { type AccountPage, type AccountVisit, accountPage } from './page.ts';
import { timeZones } from './time-zones.ts';

export interface ProfilePageDeps {
  users: Pick<UserService, 'update'>;
}

const PATH = '/account/profile';

const FIELDS = ['name', 'givenName', 'familyName', 'locale', 'zoneinfo'] as const;
type Field = (typeof FIELDS)[number];

const WRONG: Record<Exclude<Field, 'locale'>, string> = {
  name: 'account.field.name',
  givenName: 'account.field.name',
  familyName: 'account.field.name',
  zoneinfo: 'account.field.invalid',
};

const valuesOf = (read: (field: Field) => string | null | undefined): ProfileModel['values'] =>
  Object.fromEntries(FIELDS.map((field) => [field, read(field) ?? ''])) as ProfileModel['values'];

/** Which fields and attributes a refusal is about. */
function sortErrors(paths: readonly string[], attributes: AttributeField[]) {
  const fieldErrors: ProfileModel['fieldErrors'] = {};
  for (const [field, id] of Object.entries(WRONG)) {
    if (paths.includes(field)) fieldErrors[field as keyof typeof WRONG] = { id };
  }
  const marked = attributes.map((field): AttributeField => {
    const path = field.name.replace(/^attribute-/, 'attributes.');
    return paths.some((one) => one === path || one.startsWith(`${path}.`))
      ? { ...field, error: attributeError(field) }
      : field;
  });
  return { fieldErrors, attributes: marked };
}

/** What was sent and is shown again, with what is wrong with it. */
interface Refused {
  /** Without it what is there now is shown. */
  form?: Form;
  paths: readonly string[];
  error: FormError | null;
  status: number;
}

/** Words for what is wrong, and which fields it is about. */
function toRefusal(visit: AccountVisit, form: Form, error: unknown): Refused {
  if (error instanceof AppError && error.code === 'IDENT_VALIDATION') {
    const paths = (error.options.errors ?? []).map(({ path }) => path);
    return { form, paths, error: null, status: error.status };
  }
  if (error instanceof AppError && error.code === 'IDENT_STALE_VERSION') {
    return { paths: [], error: { id: 'account.error.stale' }, status: error.status };
  }
  const { status, error: said } = visit.explain(error);
  return { form, paths: [], error: said, status };
}

/** Names, language, time zone, and what the organisation wants to know. */
export function profilePage(deps: ProfilePageDeps): AccountPage {
  function show(visit: AccountVisit, refused?: Refused): Promise<void> {
    const { person, tenant } = visit;
    const form = refused?.form;
    const fields = toAttributeFields(tenant.settings.userAttributes, person.attributes, form);
    const values = valuesOf((field) => (form ? form.get(field) : person[field]));
    const model = {
      action: PATH,
      version: person.version,
      username: person.username,
      values: { ...values, locale: values.locale || visit.locale },
      zones: timeZones(values.zoneinfo),
      error: refused?.error ?? null,
      ...sortErrors(refused?.paths ?? [], fields),
    };
    return visit.render('account-profile', model, refused?.status);
  }

  /** @throws AppError IDENT_VALIDATION, and what `users.update` throws */
  function change({ person, tenant }: AccountVisit, form: Form): Promise<Profile> {
    const given = Object.fromEntries(
      FIELDS.map((field) => [field, form.get(field)?.trim() || null]),
    );
    const attributes = readAttributes(tenant.settings.userAttributes, person.attributes, form);
    const patch = profilePatch.safeParse({ ...given, attributes });
    if (!patch.success) {
      const errors = patch.error.issues.map(({ path, message }) => ({
        path: path.join('.'),
        message,
      }));
      throw new AppError('IDENT_VALIDATION', { errors });
    }
    const expectedVersion = Number(form.get('version') ?? Number.NaN);
    const target = { tenantId: person.tenantId, userId: person.id, expectedVersion };
    return deps.users.update(target, patch.data, 'self');
  }

  return accountPage({
    path: PATH,
    section: 'profile',
    get: (visit) => show(visit),
    async post(visit, form) {
      let changed: Profile;
      try {
        changed = await change(visit, form);
      } catch (error) {
        return show(visit, toRefusal(visit, form, error));
      }
      // The page says what was saved in the language that was chosen.
      const isOther = changed.locale !== null && changed.locale !== visit.locale;
      const path = isOther ? `${PATH}?lang=${changed.locale}` : PATH;
      visit.redirect(path, { id: 'account.notice.saved' });
    },
  });
}
