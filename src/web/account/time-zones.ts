import type { ProfileModel } from '../../pages/index.ts';

/** Names that people know by now; ICU lists the ones before (IANA time zone database, backward). */
const RENAMED: Record<string, string> = {
  'Asia/Saigon': 'Asia/Ho_Chi_Minh',
  'Asia/Calcutta': 'Asia/Kolkata',
  'Asia/Katmandu': 'Asia/Kathmandu',
  'Asia/Rangoon': 'Asia/Yangon',
  'Europe/Kiev': 'Europe/Kyiv',
  'America/Godthab': 'America/Nuuk',
  'America/Buenos_Aires': 'America/Argentina/Buenos_Aires',
  'Atlantic/Faeroe': 'Atlantic/Faroe',
  'Pacific/Truk': 'Pacific/Chuuk',
};

const NAMES = Intl.supportedValuesOf('timeZone').map((name) => RENAMED[name] ?? name);

const labelOf = (name: string): string =>
  name
    .slice(name.indexOf('/') + 1)
    .replaceAll('_', ' ')
    .replaceAll('/', ' – ');

/** All time zones by region; that of the person is among them, however it is spelt. */
export function timeZones(present: string): ProfileModel['zones'] {
  const isKnown = present === '' || NAMES.includes(present);
  const names = (isKnown ? NAMES : [...NAMES, present]).toSorted();
  const regions = Map.groupBy(names, (name) => name.split('/', 1)[0] ?? name);
  return [...regions].map(([region, all]) => ({
    region,
    zones: all.map((name) => ({ name, label: labelOf(name) })),
  }));
}
