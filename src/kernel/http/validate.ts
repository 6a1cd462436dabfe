import type { z } from 'zod';
import { AppError, type FieldError } from '../errors.ts';

type Issue = z.core.$ZodIssue;

/** More errors than these help nobody and make answers large. */
const MOST_ERRORS = 50;
const LONGEST_PATH = 200;

const dotted = (parts: readonly PropertyKey[]): string =>
  parts.map(String).join('.').slice(0, LONGEST_PATH);

/**
 * The public form of a validation failure. A path is dotted; members of the
 * body stand bare, other inputs under `path`, `query` or `header`. What was
 * sent is never repeated, except names of members that are not known.
 */
export function toFieldErrors(issues: readonly Issue[], place: readonly string[]): FieldError[] {
  return issues
    .flatMap((issue) => {
      const at = [...place, ...issue.path];
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => ({ path: dotted([...at, key]), message: 'Not known here' }));
      }
      return [{ path: at.length === 0 ? 'body' : dotted(at), message: issue.message }];
    })
    .slice(0, MOST_ERRORS);
}

/** One input of a request: its schema, its raw value, and what its paths begin with. */
export interface Input {
  name: 'params' | 'query' | 'headers' | 'body';
  schema: z.ZodType | undefined;
  place: readonly string[];
  value: unknown;
}

/**
 * Validates all inputs of a request together, so that one answer names everything.
 * @returns the parsed values by name; undefined where a route declares no schema
 * @throws AppError IDENT_VALIDATION
 */
export async function validateInputs(
  inputs: readonly Input[],
): Promise<Record<Input['name'], unknown>> {
  const values: Partial<Record<Input['name'], unknown>> = {};
  const errors: FieldError[] = [];
  for (const { name, schema, value, place } of inputs) {
    if (!schema) continue;
    const result = await schema.safeParseAsync(value);
    if (result.success) values[name] = result.data;
    else errors.push(...toFieldErrors(result.error.issues, place));
  }
  if (errors.length > 0)
    throw new AppError('IDENT_VALIDATION', { errors: errors.slice(0, MOST_ERRORS) });
  return { params: undefined, query: undefined, headers: undefined, body: undefined, ...values };
}

/**
 * The query as plain data: a repeated name becomes a list, which a schema for a
 * single value refuses, so that nobody picks the first where another picks the last.
 */
export function queryValues(search: URLSearchParams): Record<string, string | string[]> {
  const names = [...new Set(search.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = search.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}
