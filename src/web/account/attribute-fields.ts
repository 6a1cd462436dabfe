import type { AttributeSchema } from '../../features/tenant/index.ts';
import type { Profile } from '../../features/user/index.ts';
import type { AttributeField, FormError } from '../../pages/index.ts';
import type { Form } from '../forms.ts';

type Attributes = Profile['attributes'];
type Property = AttributeSchema['properties'][string];

/** How the field of an attribute is named in its form. */
const fieldName = (name: string): string => `attribute-${name}`;

/** A value as a field or a line shows it. */
function toText(value: Attributes[string] | undefined): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map((one) => toText(one)).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function kindOf(property: Property): AttributeField['kind'] {
  if (property.readOnly || property.type === 'array' || property.type === 'object') return 'shown';
  if (property.type === 'boolean') return 'yes-no';
  if (property.enum) return 'choice';
  return property.type === 'string' ? 'text' : 'number';
}

const INPUT_TYPES: Record<string, AttributeField['inputType']> = {
  date: 'date',
  email: 'email',
  uri: 'url',
};

const formatOf = (property: Property): AttributeField['inputType'] =>
  property.type === 'string' ? (INPUT_TYPES[property.format ?? ''] ?? 'text') : 'text';

function boundsOf(property: Property): { min: number | null; max: number | null } {
  if (property.type === 'string') {
    return { min: property.minLength ?? null, max: property.maxLength ?? null };
  }
  const isNumber = property.type === 'number' || property.type === 'integer';
  return isNumber
    ? { min: property.minimum ?? null, max: property.maximum ?? null }
    : { min: null, max: null };
}

/**
 * The attributes of a tenant as fields of a form; lists, objects and what only
 * administrators set are shown, where there is something to show.
 * @param typed what was sent, where it is shown again
 */
export function toAttributeFields(
  schema: AttributeSchema,
  present: Attributes,
  typed?: Form,
): AttributeField[] {
  return Object.entries(schema.properties).flatMap(([name, property]) => {
    const kind = kindOf(property);
    const sent = kind === 'shown' ? undefined : typed;
    const value = sent ? (sent.get(fieldName(name)) ?? '') : toText(present[name]);
    if (kind === 'shown' && value === '') return [];
    const field = {
      name: fieldName(name),
      label: property.title ?? name,
      description: property.description ?? null,
      ...{ kind, inputType: formatOf(property), value },
      options: 'enum' in property ? (property.enum ?? []).map(String) : [],
      isRequired: schema.required?.includes(name) ?? false,
      ...boundsOf(property),
      error: null,
    };
    return [field];
  });
}

/** A value as the schema wants it; what is no number stays text, which the schema refuses. */
function toValue(
  property: Property,
  typed: string | undefined,
  present: Attributes[string] | undefined,
): Attributes[string] {
  if (property.type === 'boolean') {
    // A box that was never ticked says nothing, not no.
    return typed === 'true' ? true : present === undefined ? null : false;
  }
  const text = typed?.trim() ?? '';
  if (text === '') return null;
  if (property.type === 'string') return text;
  const number = Number(text.replace(',', '.'));
  return Number.isFinite(number) ? number : text;
}

/** What a form changes of the attributes: those that have a field. */
export function readAttributes(
  schema: AttributeSchema,
  present: Attributes,
  form: Form,
): Attributes {
  const entries = Object.entries(schema.properties).flatMap(([name, property]) => {
    if (kindOf(property) === 'shown') return [];
    const value = toValue(property, form.get(fieldName(name)), present[name]);
    // Nothing where there was nothing.
    return value === null && present[name] === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

/** The words for a value that the schema refuses. */
export function attributeError({ kind, value, min, max, isRequired }: AttributeField): FormError {
  if (value.trim() === '' && isRequired) return { id: 'account.field.required' };
  if (kind === 'number' && min !== null && max !== null) {
    return { id: 'account.field.range', values: { min, max } };
  }
  if (kind === 'text' && max !== null) {
    return { id: 'account.field.length', values: { min: min ?? 0, max } };
  }
  return { id: kind === 'number' ? 'account.field.number' : 'account.field.invalid' };
}
