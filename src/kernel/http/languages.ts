import type { ApiRequest } from './route.ts';

/** The languages of Accept-Language (RFC 9110 12.5.4) as they stand, without weights. */
export function languagesOf(request: Pick<ApiRequest, 'header'>): string | null {
  const header = request.header('accept-language')?.slice(0, 200) ?? '';
  const tags = header.split(',').map((range) => range.split(';', 1)[0]?.trim() ?? '');
  return tags.filter((tag) => /^[A-Za-z]/.test(tag)).join(' ') || null;
}
