import Bowser from 'bowser';

/** What a browser calls itself and its system; it is what it says, so nothing may be decided by it. */
export function deviceNames(userAgent: string | null): {
  browser: string | null;
  os: string | null;
} {
  if (!userAgent) return { browser: null, os: null };
  const { browser, os } = Bowser.parse(userAgent);
  return { browser: browser.name || null, os: os.name || null };
}

/**
 * What a person recognises a device by, such as `Chrome on Windows`: names only,
 * as browsers tell versions of systems wrongly.
 * @returns null where the user agent says nothing that is known
 */
export function describeDevice(userAgent: string | null): string | null {
  const { browser, os } = deviceNames(userAgent);
  const names = [browser, os].filter((name) => name !== null);
  return names.length === 0 ? null : names.join(' on ');
}
