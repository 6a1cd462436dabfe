import Bowser from 'bowser';

/** What a browser calls itself and its system; it is what it says, so nothing may be decided by it. */
export function deviceNames(userAgent: string | null): {
  browser: string | null;
  os: string | null;
  isHandheld: boolean;
} {
  if (!userAgent) return { browser: null, os: null, isHandheld: false };
  const { browser, os, platform } = Bowser.parse(userAgent);
  const isHandheld = platform.type === 'mobile' || platform.type === 'tablet';
  return { browser: browser.name || null, os: os.name || null, isHandheld };
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
