// Text of a file that process.loadEnvFile and POSIX shells read alike.

/**
 * @param {Record<string, string | undefined>} values without a value: left out
 * @returns {string} one KEY='value' line each
 * @throws {Error} when a value has a quote or line break in it
 */
export function environmentFile(values) {
  return Object.entries(values)
    .filter(([, value]) => value)
    .map(([key, value]) => {
      if (/['\r\n]/.test(value ?? '')) throw new Error(`${key} contains a quote or a line break`);
      return `${key}='${value}'\n`;
    })
    .join('');
}
