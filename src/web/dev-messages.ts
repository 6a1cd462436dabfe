import { readdir, readFile } from 'node:fs/promises';

export type DevChannel = 'mail' | 'sms';

/** A message that was written to a file instead of being sent. */
export interface DevMessage {
  channel: DevChannel;
  /** Name of its file, without the ending. */
  id: string;
  /** ISO 8601. */
  at: string;
  to: string;
  subject: string | null;
  text: string;
  html: string | null;
}

const CHANNELS: readonly DevChannel[] = ['mail', 'sms'];

/** What the folders call their files; nothing else is opened. */
const NAME = /^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-[0-9a-f]{6})\.json$/;

const isText = (value: unknown): value is string => typeof value === 'string';

/** Reads what development keeps in files of what it would have sent. */
export function createDevMessages(folderOf: (channel: DevChannel) => string) {
  async function read(channel: DevChannel, id: string): Promise<DevMessage | undefined> {
    if (!NAME.test(`${id}.json`)) return undefined;
    try {
      const file = await readFile(`${folderOf(channel)}/${id}.json`, 'utf8');
      const { at, to, subject, text, html } = JSON.parse(file) as Record<string, unknown>;
      if (!isText(at) || !isText(to) || !isText(text)) return undefined;
      const parts = { subject: isText(subject) ? subject : null, html: isText(html) ? html : null };
      return { channel, id, at, to, text, ...parts };
    } catch {
      // Gone meanwhile, or half written.
      return undefined;
    }
  }

  async function list(channel: DevChannel): Promise<DevMessage[]> {
    const names = await readdir(folderOf(channel)).catch(() => []);
    const ids = names.flatMap((name) => NAME.exec(name)?.[1] ?? []);
    const found = await Promise.all(ids.map((id) => read(channel, id)));
    return found.filter((one) => one !== undefined);
  }

  return {
    read,
    /** All, the newest first. */
    list: async (): Promise<DevMessage[]> =>
      (await Promise.all(CHANNELS.map(list))).flat().sort((a, b) => (a.id < b.id ? 1 : -1)),
  };
}
