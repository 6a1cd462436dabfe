import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import { fontName } from './assets.ts';
import {
  clip,
  escapeHtml,
  exactAttribute,
  imageUrl,
  initial,
  initials,
  linkUrl,
  webUrl,
} from './html.ts';
import { locales } from './locale.ts';
import { folderUrl, loadMessages, type Messages } from './messages.ts';
import type {
  Frame,
  Locale,
  MessageValues,
  PageModels,
  PageName,
  Pages,
  PagesOptions,
} from './types.ts';

// Longer titles are cut by every browser, and by screen readers' patience.
const MAX_TITLE = 70;

/** Loads messages and templates once and returns the renderer of every hosted page. */
export function createPages(options: PagesOptions): Pages {
  const messages = loadMessages(folderUrl(options.localesDir));
  const eta = new Eta({
    views: fileURLToPath(folderUrl(options.viewsDir)),
    cache: options.cache,
    autoEscape: true,
    escapeFunction: escapeHtml,
  });
  return {
    render: (page, model, frame) =>
      eta.render(`/${page}`, context(messages, options.assetVersion, page, model, frame)),
    text: messages.text,
    locales,
  };
}

/** What a template sees as `it`. */
function context<P extends PageName>(
  messages: Messages,
  assetVersion: string,
  page: P,
  model: PageModels[P],
  frame: Frame,
): object {
  const { locale } = frame;
  const version = encodeURIComponent(assetVersion);
  return {
    page,
    m: model,
    frame,
    t: (id: string, values?: MessageValues) => messages.text(locale, id, values),
    rich: (id: string, values: MessageValues) => messages.rich(locale, id, values),
    // Ids that arrive with the data: a wrong one must not break the page that reports a problem.
    textOr: (id: string, values: MessageValues | undefined, fallback: string) =>
      textOr(messages, frame, id, values, fallback),
    anyOf: (things: string[]) => anyOf(locale, things),
    title: (text: string, failed = false) => documentTitle(messages, frame, text, failed),
    asset: (name: string) => `/assets/${name}?v=${version}`,
    font: (name: string) => `/assets/${fontName(name)}`,
    segment: encodeURIComponent,
    exact: exactAttribute,
    webUrl,
    imageUrl,
    linkUrl,
    initial,
    initials,
  };
}

/** Several things of which one is meant, as a label: capital first. */
function anyOf(locale: Locale, things: string[]): string {
  // British, without a comma before "or".
  const format = new Intl.ListFormat(locale === 'en' ? 'en-GB' : locale, { type: 'disjunction' });
  const [first = '', ...rest] = things;
  return format.format([first, ...rest.map((thing) => lowerFirst(thing))]);
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

function textOr(
  messages: Messages,
  frame: Frame,
  id: string,
  values: MessageValues | undefined,
  fallback: string,
): string {
  if (!messages.has(frame.locale, id)) return messages.text(frame.locale, fallback);
  try {
    return messages.text(frame.locale, id, values);
  } catch {
    // A value the message needs was not given.
    return messages.text(frame.locale, fallback);
  }
}

function documentTitle(messages: Messages, frame: Frame, text: string, failed: boolean): string {
  const { locale, brand } = frame;
  const page = failed ? messages.text(locale, 'title.error', { page: text }) : text;
  const bare = messages.text(locale, 'title.page', { page, brand: '' }).length;
  const name = clip(brand.name, Math.max(8, MAX_TITLE - bare));
  return messages.text(locale, 'title.page', { page, brand: name });
}
