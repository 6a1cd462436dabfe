import { AppError } from '../errors.ts';

/** The strong entity tag of a version (RFC 9110 8.8.3). */
export const entityTag = (version: number): string => `"${version}"`;

/** One or more entity tags; a weak one never matches here (RFC 9110 13.1.1). */
const TAGS =
  /^\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*\s*$/;

/**
 * What `If-Match` asks of a change to a resource that is at this version now.
 * @returns the version that the change must find; undefined where any will do
 * @throws AppError IDENT_STALE_VERSION when the present one is none of those named;
 *   IDENT_VALIDATION when the header is malformed
 */
export function readIfMatch(header: string | undefined, version: number): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  if (!TAGS.test(header)) {
    throw new AppError('IDENT_VALIDATION', {
      errors: [{ path: 'header.if-match', message: 'must be an ETag in quotes' }],
    });
  }
  const tags = header.split(',').map((tag) => tag.trim());
  if (!tags.includes(entityTag(version))) throw new AppError('IDENT_STALE_VERSION');
  return version;
}
