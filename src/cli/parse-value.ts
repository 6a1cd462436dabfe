import { CliError, EXIT } from './errors.ts';
import { readText } from './stdin.ts';

/**
 * `name=value`: the value is JSON where it can be read as such, else text; `@file` reads
 * it from a file, `@-` from standard input.
 * @throws CliError
 */
export async function parseAssignment(text: string): Promise<[string, unknown]> {
  const [, name, given = ''] = /^([A-Za-z][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) {
    throw new CliError(`${JSON.stringify(text)} is not name=value.`, { exitCode: EXIT.usage });
  }
  const value = given.startsWith('@') ? await readText(given.slice(1), 'a value') : given;
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}
