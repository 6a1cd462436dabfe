import Bowser from 'bowser';

/**
 * What a person recognises a device by, such as `Chrome on Windows`: names only,
 * as browsers tell versions of systems wrongly. It is what the browser says of
 * itself, so nothing may be decided by it.
 * @returns null where the user agent says nothing that is known
 */
export function describeDevice(userAgent: string | null): string | null {
  if (!userAgent) return null;
  const { browser, os } = Bowser.parse(userAgent);
  const names = [browser.name, os.name].filter(Boolean);
  return names.length === 0 ? null : names.join(' on ');
}
