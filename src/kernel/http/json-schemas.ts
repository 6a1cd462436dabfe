import { z } from 'zod';
import { isFileSpec, type ResponseSpec, type Route } from './route.ts';

/** A piece of a JSON document. */
export type Json = { [member: string]: unknown };

const problem = z
  .object({
    type: z.string().describe('Names the kind of problem: urn:gatehouse:error:<code>'),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional(),
    instance: z.string().optional().describe('The path that was asked'),
    code: z.string().describe('Stable; meant for programs'),
    requestId: z.string().describe('Quote it when reporting the problem'),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Invalid input, field by field'),
  })
  .meta({ id: 'Problem', description: 'Problem details (RFC 9457)' });

/** The same members in the order of their names. */
export const sorted = (object: Json): Json =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

type Collected = Map<string, z.ZodType>;

/** Names under which the schemas of a route are collected. */
const keyOf = (route: Route, part: string): string => `${route.operationId}/${part}`;

const isJsonSpec = (spec: ResponseSpec): spec is z.ZodType => spec !== null && !isFileSpec(spec);

function collect(routes: readonly Route[]): { inputs: Collected; outputs: Collected } {
  const inputs: Collected = new Map();
  const outputs: Collected = new Map([['Problem', problem]]);
  for (const route of routes) {
    for (const part of ['params', 'query', 'headers', 'body'] as const) {
      const schema = route[part];
      if (schema) inputs.set(keyOf(route, part), schema);
    }
    for (const [status, spec] of Object.entries(route.responses)) {
      if (isJsonSpec(spec)) outputs.set(keyOf(route, status), spec);
    }
  }
  return { inputs, outputs };
}

/** All schemas in one go, so that each named one becomes a single definition. */
function convert(schemas: Collected, io: 'input' | 'output') {
  const all = z.object(Object.fromEntries(schemas));
  const { properties = {}, $defs = {} } = z.toJSONSchema(all, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      // Answers may gain members later: a client must not refuse them.
      if (io === 'output' && jsonSchema.additionalProperties === false) {
        delete jsonSchema.additionalProperties;
      }
    },
  });
  return { properties: properties as Record<string, Json>, definitions: $defs as Json };
}

/** Points references at the components, under the names that the definitions got there. */
function relink(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => relink(item, names));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (key !== '$ref' || typeof member !== 'string') return [key, relink(member, names)];
      const name = member.replace('#/$defs/', '');
      return [key, `#/components/schemas/${names.get(name) ?? name}`];
    }),
  );
}

/** JSON Schemas of a set of routes, and the components that they refer to. */
export interface Schemas {
  components: Json;
  input(route: Route, part: string): Json;
  output(route: Route, status: string): Json;
}

/** A type that reads differently as input and as output is named twice: `User`, `UserInput`. */
export function buildSchemas(routes: readonly Route[]): Schemas {
  const { inputs, outputs } = collect(routes);
  const [input, output] = [convert(inputs, 'input'), convert(outputs, 'output')];
  const differs = (name: string) =>
    name in output.definitions &&
    JSON.stringify(output.definitions[name]) !== JSON.stringify(input.definitions[name]);
  const inputNames = new Map(
    Object.keys(input.definitions).map((name) => [name, differs(name) ? `${name}Input` : name]),
  );
  const outputNames = new Map<string, string>();
  const definitions = {
    ...(relink(output.definitions, outputNames) as Json),
    ...Object.fromEntries(
      Object.entries(input.definitions).map(([name, schema]) => [
        inputNames.get(name) ?? name,
        relink(schema, inputNames),
      ]),
    ),
  };
  return {
    components: sorted(definitions),
    input: (route, part) => relink(input.properties[keyOf(route, part)] ?? {}, inputNames) as Json,
    output: (route, status) =>
      relink(output.properties[keyOf(route, status)] ?? {}, outputNames) as Json,
  };
}
