import { readFile, stat } from 'node:fs/promises';
import { CliError, EXIT, reasonOf } from './errors.ts';

/** Most bytes that are read: metadata and passwords are small, a wrong file may not be. */
const MOST = 1_048_576;

/** Standard input as text. @throws CliError when it is a terminal, too long or not UTF-8 */
async function readStdin(purpose: string): Promise<string> {
  if (process.stdin.isTTY) {
    throw new CliError(`Standard input is a terminal; ${purpose} must come through a pipe.`, {
      exitCode: EXIT.usage,
    });
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > MOST) throw new CliError(`Standard input is too long to be ${purpose}.`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new CliError('Standard input is not UTF-8.', { cause: error });
  }
}

/** A password from standard input, without the line feed that ends it. @throws CliError */
export async function readPassword(): Promise<string> {
  const password = (await readStdin('the password')).replace(/\r?\n$/, '');
  if (password === '') throw new CliError('The password on standard input is empty.');
  if (/[\r\n]/.test(password)) {
    throw new CliError('The password on standard input has more than one line.');
  }
  return password;
}

/**
 * The text of a file, or of standard input where the file is `-`.
 * @param purpose what it is to be, in words
 * @throws CliError when it cannot be read or is too long
 */
export async function readText(file: string, purpose: string): Promise<string> {
  if (file === '-') return readStdin(purpose);
  try {
    if ((await stat(file)).size > MOST) throw new CliError(`${file} is too long to be ${purpose}.`);
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${file} cannot be read: ${reasonOf(error)}`);
  }
}

/**
 * A JSON object from a file, or from standard input where the file is `-`.
 * @throws CliError when it cannot be read or is something else
 */
export async function readJsonObject(file: string): Promise<Record<string, unknown>> {
  const source = file === '-' ? 'standard input' : file;
  const text = await readText(file, 'the metadata');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which may hold a secret.
    throw new CliError(`${source} is not valid JSON.`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new CliError(`${source} must hold a JSON object, such as {"client_name": "Portal"}.`);
}
