import type { Json } from './http/json-schemas.ts';

const FORMATS: Readonly<Record<string, string>> = {
  uuid: '01900000-0000-7000-8000-000000000001',
  uri: 'https://id.example.com',
  email: 'an@example.com',
  'date-time': '2026-01-02T03:04:05.678Z',
  date: '2026-01-02',
};

function sampleText({ format, minLength = 0 }: Json): string {
  const text = FORMATS[String(format)] ?? 'text';
  return text.padEnd(Number(minLength), '.');
}

function sampleObject(schema: Json): Json {
  const { properties = {}, required = [] } = schema as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name] ?? {})]));
}

/**
 * A value that a JSON Schema takes, for examples in documents: what is required
 * and no more. Knows what our own declarations are made of, not patterns.
 */
export function sampleOf(schema: Json): unknown {
  if (Array.isArray(schema.type)) return sampleOf({ ...schema, type: schema.type[0] });
  if ('const' in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const [first] = (schema.anyOf ?? schema.oneOf ?? []) as Json[];
  if (first) return sampleOf(first);
  if (schema.type === 'object') return sampleObject(schema);
  if (schema.type === 'array') return [sampleOf((schema.items ?? {}) as Json)];
  if (schema.type === 'boolean') return true;
  if (schema.type === 'null') return null;
  if (schema.type === 'string') return sampleText(schema);
  return Math.max(1, Number(schema.minimum ?? 1));
}
