import type { Locale, Pages } from './types.ts';

/** Recovery codes as a text file; lines end as every editor reads them. */
export function recoveryCodesFile(
  pages: Pick<Pages, 'text'>,
  locale: Locale,
  brand: string,
  codes: readonly string[],
): string {
  const lines = [
    pages.text(locale, 'recovery-codes.file', { brand }),
    '',
    ...codes,
    '',
    pages.text(locale, 'recovery-codes.file-hint'),
    '',
  ];
  return lines.join('\r\n');
}
