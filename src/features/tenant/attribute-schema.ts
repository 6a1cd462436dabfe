import { z } from 'zod';

/**
 * The part of JSON Schema (2020-12) in which a tenant says which attributes its
 * users have. No patterns, no references and no unions: whatever a tenant writes
 * here is checked in a bounded time, and its meaning is plain.
 */

/** Longest schema, and longest attributes of one user, bytes of JSON. */
export const MOST_BYTES = 16_384;

const MOST_PROPERTIES = 100;

const attributeName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'use letters, digits and _')
  .refine((name) => !(name in Object.prototype), 'is no name for an attribute');

const annotations = {
  title: z.string().max(200).optional(),
  description: z.string().max(1_000).optional(),
};

const length = z.int().min(0).max(4_096).optional();

const text = z.strictObject({
  type: z.literal('string'),
  ...annotations,
  minLength: length,
  maxLength: length,
  enum: z.array(z.string().max(200)).min(1).max(200).optional(),
  format: z.enum(['date', 'date-time', 'email', 'uri', 'uuid']).optional(),
});
const number = z.strictObject({
  type: z.enum(['number', 'integer']),
  ...annotations,
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  enum: z.array(z.number()).min(1).max(200).optional(),
});
const yesOrNo = z.strictObject({ type: z.literal('boolean'), ...annotations });
const scalar = z.discriminatedUnion('type', [text, number, yesOrNo]);

const list = z.strictObject({
  type: z.literal('array'),
  ...annotations,
  items: scalar,
  minItems: z.int().min(0).max(200).optional(),
  maxItems: z.int().min(0).max(200).optional(),
  uniqueItems: z.boolean().optional(),
});

/** Properties by name, of which `required` must be among them. */
const objectOf = <T extends z.ZodType>(property: T) =>
  z.strictObject({
    type: z.literal('object'),
    ...annotations,
    properties: z.record(attributeName, property),
    required: z.array(z.string()).max(MOST_PROPERTIES).optional(),
    additionalProperties: z.literal(false).optional(),
  });

const areDeclared = ({
  properties,
  required = [],
}: {
  properties: object;
  required?: string[] | undefined;
}): boolean =>
  required.every((name) => Object.hasOwn(properties, name)) &&
  Object.keys(properties).length <= MOST_PROPERTIES;

const UNDECLARED = {
  error: `required must name properties, of which there are at most ${MOST_PROPERTIES}`,
  path: ['required'],
};

const nested = objectOf(z.discriminatedUnion('type', [text, number, yesOrNo, list])).refine(
  areDeclared,
  UNDECLARED,
);

/** Set by administrators and automation only; people see it and cannot change it. */
const readOnly = { readOnly: z.boolean().optional() };

const attribute = z.union([
  z.discriminatedUnion('type', [
    text.extend(readOnly),
    number.extend(readOnly),
    yesOrNo.extend(readOnly),
    list.extend(readOnly),
  ]),
  nested.safeExtend(readOnly),
]);

export const attributeSchema = objectOf(attribute)
  .extend({ $schema: z.literal('https://json-schema.org/draft/2020-12/schema').optional() })
  .refine(areDeclared, UNDECLARED)
  .refine((schema) => Buffer.byteLength(JSON.stringify(schema)) <= MOST_BYTES, {
    error: `must not be longer than ${MOST_BYTES} bytes`,
  });

export type AttributeSchema = z.output<typeof attributeSchema>;
export type ScalarSchema = z.output<typeof scalar>;
export type ListSchema = z.output<typeof list>;
export type ObjectSchema = z.output<typeof nested>;
