import type { IncomingMessage } from 'node:http';
import { constantTimeEqual, hmacSha256 } from '../kernel/crypto.ts';
import { AppError } from '../kernel/errors.ts';
import { readBytes } from '../kernel/http/index.ts';

/** Largest form body in bytes; ours are a few hundred. */
const LARGEST = 16 * 1024;

/** A submitted form; every field is present at most once. */
export type Form = ReadonlyMap<string, string>;

/**
 * Reads an `application/x-www-form-urlencoded` body.
 * @throws AppError IDENT_UNSUPPORTED_MEDIA_TYPE, IDENT_PAYLOAD_TOO_LARGE, or
 *   IDENT_VALIDATION for a field given twice (ASVS 2.2: parameter pollution)
 */
export async function readForm(request: IncomingMessage): Promise<Form> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') {
    throw new AppError('IDENT_UNSUPPORTED_MEDIA_TYPE');
  }
  const body = await readBytes(request, LARGEST);
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body.toString('utf8'))) {
    if (form.has(name)) {
      throw new AppError('IDENT_VALIDATION', {
        errors: [{ path: name, message: 'is given more than once' }],
      });
    }
    form.set(name, value);
  }
  return form;
}

/** CSRF tokens bound to something that only the server and this browser's flow know. */
export interface CsrfTokens {
  tokenFor(binding: string): string;
  /** Whether the token is the one for `binding`, under any key still in use. */
  matches(token: string | undefined, binding: string): boolean;
}

/** @param keys those in use at the moment: the first makes tokens, all check them */
export function createCsrfTokens(keys: () => Buffer[]): CsrfTokens {
  const sign = (key: Buffer, binding: string): string =>
    hmacSha256(key, `csrf:${binding}`).toString('base64url');
  return {
    tokenFor(binding) {
      const [first] = keys();
      if (!first) throw new Error('a CSRF key is needed');
      return sign(first, binding);
    },
    matches: (token, binding) =>
      token !== undefined && keys().some((key) => constantTimeEqual(token, sign(key, binding))),
  };
}
