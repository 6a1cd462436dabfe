import { generateURI, ScureBase32Plugin } from 'otplib';
import { toString as drawQrCode } from 'qrcode';

const base32 = new ScureBase32Plugin();

/** Characters that are shown of a name: apps have little room, and so has a QR code. */
const LONGEST = { issuer: 48, label: 64 };

/**
 * A name as apps can show it. They split the label at its first colon, encoded or
 * not, so that no name may hold one.
 */
function readable(name: string, longest: number): string {
  const text = name
    .toWellFormed()
    .normalize('NFC')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .replace(/ ?: ?/g, ' - ')
    .trim();
  const characters = [...text];
  if (characters.length <= longest) return text;
  return `${characters.slice(0, longest - 1).join('')}…`;
}

/** A seed as people type it and apps take it: base32 without padding (RFC 4648 6). */
export const toBase32 = (seed: Buffer): string => base32.encode(seed, { padding: false });

/** The key URI of a seed: `otpauth://totp/<issuer>:<label>?secret=…&issuer=…`. */
export const toUri = (seed: Buffer, { issuer, label }: { issuer: string; label: string }) =>
  generateURI({
    issuer: readable(issuer, LONGEST.issuer),
    label: readable(label, LONGEST.label),
    secret: toBase32(seed),
  });

/** A URI as a QR code: an SVG element of black on white, its quiet zone included. */
export const qrCode = (uri: string): Promise<string> =>
  drawQrCode(uri, { type: 'svg', errorCorrectionLevel: 'M', margin: 4 });
