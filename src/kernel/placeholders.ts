/** JSON in which every text may hold placeholders, `{name}`. */
export type Template = string | number | boolean | null | Template[] | { [name: string]: Template };

const PLACEHOLDER = /\{([a-zA-Z][\w.]*)\}/g;

/** Names of the placeholders in a template, each once. */
export function placeholdersOf(template: Template): string[] {
  if (typeof template === 'string') {
    return [...new Set(Array.from(template.matchAll(PLACEHOLDER), ([, name = '']) => name))];
  }
  if (template === null || typeof template !== 'object') return [];
  return [...new Set(Object.values(template).flatMap(placeholdersOf))];
}

/** Values take the place of placeholders, once: what they hold is not looked at again. */
export const fillText = (
  text: string,
  values: ReadonlyMap<string, string>,
  encode: (value: string) => string = (value) => value,
): string =>
  text.replace(PLACEHOLDER, (whole, name: string) => {
    const value = values.get(name);
    return value === undefined ? whole : encode(value);
  });

/** The same in all texts of a template, and in texts only: no value can add a member. */
export function fillTemplate(template: Template, values: ReadonlyMap<string, string>): Template {
  if (typeof template === 'string') return fillText(template, values);
  if (template === null || typeof template !== 'object') return template;
  if (Array.isArray(template)) return template.map((item) => fillTemplate(item, values));
  return Object.fromEntries(
    Object.entries(template).map(([name, value]) => [name, fillTemplate(value, values)]),
  );
}
