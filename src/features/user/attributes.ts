import { z } from 'zod';
import { AppError, type FieldError } from '../../kernel/errors.ts';
import type { AttributeSchema, ListSchema, ObjectSchema, ScalarSchema } from '../tenant/index.ts';
import { MOST_BYTES } from '../tenant/index.ts';
import { type Attributes, isStorable } from './schema.ts';

/** Bounds where a schema names none. */
const LONGEST_TEXT = 1_024;
const MOST_ITEMS = 100;

const FORMATS = {
  date: z.iso.date(),
  'date-time': z.iso.datetime({ offset: true }),
  email: z.email().max(254),
  uri: z.url(),
  uuid: z.uuid(),
};

/** Told about a value that does not fit; the value itself is never repeated. */
const refuse = (message: string) => ({ error: message });

function text(schema: Extract<ScalarSchema, { type: 'string' }>): z.ZodType {
  const { minLength = 0, maxLength = LONGEST_TEXT, format } = schema;
  const base = z.string().min(minLength).max(maxLength).refine(isStorable, 'cannot be kept');
  const formatted = format ? base.pipe(FORMATS[format]) : base;
  const { enum: allowed } = schema;
  return allowed
    ? formatted.refine((value) => allowed.includes(value), refuse('must be one of those allowed'))
    : formatted;
}

function scalar(schema: ScalarSchema): z.ZodType {
  if (schema.type === 'string') return text(schema);
  if (schema.type === 'boolean') return z.boolean();
  const { minimum, maximum, enum: allowed } = schema;
  let number = schema.type === 'integer' ? z.int() : z.number();
  if (minimum !== undefined) number = number.min(minimum);
  if (maximum !== undefined) number = number.max(maximum);
  return allowed
    ? number.refine((value) => allowed.includes(value), refuse('must be one of those allowed'))
    : number;
}

function list({ items, minItems = 0, maxItems = MOST_ITEMS, uniqueItems }: ListSchema): z.ZodType {
  const array = z.array(scalar(items)).min(minItems).max(maxItems);
  return uniqueItems
    ? array.refine((all) => new Set(all).size === all.length, refuse('must not repeat a value'))
    : array;
}

type PropertySchema = AttributeSchema['properties'][string];

function property(schema: PropertySchema): z.ZodType {
  if (schema.type === 'array') return list(schema);
  return schema.type === 'object' ? object(schema, schema.required) : scalar(schema);
}

function object(
  { properties }: Pick<ObjectSchema | AttributeSchema, 'properties'>,
  required: readonly string[] = [],
): z.ZodType {
  const entries = Object.entries(properties).map(([name, schema]) => {
    const value = property(schema as PropertySchema);
    return [name, required.includes(name) ? value : value.optional()] as const;
  });
  return z.strictObject(Object.fromEntries(entries));
}

const toErrors = (issues: readonly z.core.$ZodIssue[]): FieldError[] =>
  issues.slice(0, 50).flatMap((issue) => {
    const at = ['attributes', ...issue.path.map(String)];
    return issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          path: [...at, key].join('.').slice(0, 200),
          message: 'Not known here',
        }))
      : [{ path: at.join('.'), message: issue.message }];
  });

const invalid = (errors: FieldError[]): AppError => new AppError('IDENT_VALIDATION', { errors });

/** Who writes attributes: people themselves cannot touch those that are `readOnly`. */
export type AttributeWriter = 'self' | 'administrator';

/**
 * Checks the attributes of a user against the schema of the tenant.
 * @param by a person cannot be asked for what only an administrator may set
 * @throws AppError IDENT_VALIDATION
 */
export function checkAttributes(
  schema: AttributeSchema,
  value: Attributes,
  by: AttributeWriter,
): void {
  if (Buffer.byteLength(JSON.stringify(value)) > MOST_BYTES) {
    throw invalid([{ path: 'attributes', message: `must not exceed ${MOST_BYTES} bytes` }]);
  }
  const required = (schema.required ?? []).filter(
    (name) => by === 'administrator' || !schema.properties[name]?.readOnly,
  );
  const result = object(schema, required).safeParse(value);
  if (!result.success) throw invalid(toErrors(result.error.issues));
}

/**
 * What a patch makes of attributes: members that are null are taken away (RFC 7396).
 * @throws AppError IDENT_VALIDATION when a person changes what is `readOnly`
 */
export function mergeAttributes(
  schema: AttributeSchema,
  before: Attributes,
  patch: Attributes,
  by: AttributeWriter,
): Attributes {
  const isClosed = (name: string) =>
    by === 'self' && Object.hasOwn(schema.properties, name) && schema.properties[name]?.readOnly;
  const closed = Object.keys(patch).filter(isClosed);
  if (closed.length > 0) {
    throw invalid(closed.map((name) => ({ path: `attributes.${name}`, message: 'is read-only' })));
  }
  const merged = { ...before, ...patch };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}
