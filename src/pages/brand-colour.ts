type Rgb = readonly [number, number, number];

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

/** WCAG AA for text. */
const READABLE = 4.5;

/** Gatehouse's own colour, aged copper; gatehouse.css carries what it derives to. */
export const GATEHOUSE_COLOUR = '#0e6656';

/**
 * The hardest surface of each scheme to read brand-coloured text on: in the light one the
 * darkest, in the dark one the lightest. A test holds them equal to gatehouse.css.
 */
export const HARDEST_SURFACE = { light: '#e1e8e4', dark: '#1b2622' } as const;

/** The brand colours of one scheme, as `#rrggbb`. */
export interface BrandPalette {
  /** Buttons and arches. */
  brand: string;
  /** Text on `brand` and on `hover`. */
  onBrand: string;
  hover: string;
  /** Links, focus rings and other brand-coloured text on any surface. */
  ink: string;
}

/** Derives both schemes from a tenant's colour. Throws unless it is exactly `#rrggbb`. */
export function brandPalettes(colour: string): { light: BrandPalette; dark: BrandPalette } {
  const base = parseColour(colour);
  const ink = shiftUntilReadable(base, parseColour(HARDEST_SURFACE.light), BLACK);
  const lifted = shiftUntilReadable(base, parseColour(HARDEST_SURFACE.dark), WHITE);
  return { light: palette(base, ink), dark: palette(lifted, lifted) };
}

/** The tenant's stylesheet: it sets custom properties and nothing else. */
export function brandStylesheet(colour: string): string {
  const { light, dark } = brandPalettes(colour);
  return `:root{${properties(light)}}\n@media (prefers-color-scheme:dark){:root{${properties(dark)}}}\n`;
}

/** WCAG contrast ratio of two `#rrggbb` colours, 1 to 21. */
export function contrast(a: string, b: string): number {
  return ratio(parseColour(a), parseColour(b));
}

function properties(colours: BrandPalette): string {
  return [
    `--brand:${colours.brand}`,
    `--on-brand:${colours.onBrand}`,
    `--brand-hover:${colours.hover}`,
    `--brand-ink:${colours.ink}`,
  ].join(';');
}

function palette(brand: Rgb, ink: Rgb): BrandPalette {
  // Black or white: one of them always reaches 4.58:1, whatever the colour.
  const onBrand = ratio(brand, WHITE) >= READABLE ? WHITE : BLACK;
  // Away from the text, so that hovering never costs contrast.
  const hover = mix(brand, onBrand === WHITE ? BLACK : WHITE, 0.14);
  return { brand: hex(brand), onBrand: hex(onBrand), hover: hex(hover), ink: hex(ink) };
}

// Hue and saturation stay, so a lifted colour is still the tenant's and not a pastel of it.
function shiftUntilReadable(colour: Rgb, surface: Rgb, towards: Rgb): Rgb {
  const [hue, saturation, lightness] = toHsl(colour);
  const end = towards === WHITE ? 1 : 0;
  for (let step = 0; step < 200; step += 1) {
    const shifted = lightness + (end - lightness) * (step / 200);
    const candidate = step === 0 ? colour : fromHsl(hue, saturation, shifted);
    if (ratio(candidate, surface) >= READABLE) return candidate;
  }
  return towards;
}

function toHsl([red, green, blue]: Rgb): Rgb {
  const [r, g, b] = [red / 255, green / 255, blue / 255];
  const [top, bottom] = [Math.max(r, g, b), Math.min(r, g, b)];
  const [lightness, span] = [(top + bottom) / 2, top - bottom];
  if (span === 0) return [0, 0, lightness];
  const saturation = span / (1 - Math.abs(2 * lightness - 1));
  const sector =
    top === r ? (g - b) / span + 6 : top === g ? (b - r) / span + 2 : (r - g) / span + 4;
  return [(sector * 60) % 360, saturation, lightness];
}

function fromHsl(hue: number, saturation: number, lightness: number): Rgb {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (offset: number): number => {
    const k = (offset + hue / 30) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

function parseColour(colour: string): Rgb {
  if (!/^#[0-9a-f]{6}$/i.test(colour)) throw new TypeError('a brand colour is #rrggbb');
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function hex(colour: Rgb): string {
  return `#${colour.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const blend = (a: number, b: number): number => Math.round(a + (b - a) * share);
  return [blend(from[0], to[0]), blend(from[1], to[1]), blend(from[2], to[2])];
}

function luminance(colour: Rgb): number {
  const linear = (channel: number): number => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

function ratio(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}
