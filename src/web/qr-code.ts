import { create } from 'qrcode';

/** A QR code as a picture draws it: a square of `size` units with its dark parts as a path. */
export interface QrCode {
  /** Units of a side, the quiet zone included. */
  size: number;
  /** The `d` of an SVG path. */
  path: string;
}

/** Units of white that a camera needs around (ISO/IEC 18004). */
const QUIET = 4;

/** Makes a QR code, its rows as bars, so that it is a few kilobytes. */
export function qrCode(text: string): QrCode {
  const { modules } = create(text, { errorCorrectionLevel: 'M' });
  const bars: string[] = [];
  for (let y = 0; y < modules.size; y += 1) {
    for (let x = 0; x < modules.size; x += 1) {
      const start = x;
      while (x < modules.size && modules.get(y, x)) x += 1;
      if (x > start) bars.push(`M${start + QUIET} ${y + QUIET}h${x - start}v1H${start + QUIET}z`);
    }
  }
  return { size: modules.size + 2 * QUIET, path: bars.join('') };
}
