import type { Locale } from './types.ts';

/** Every template in every language. */
export interface DevTemplatesModel {
  templates: {
    name: string;
    channel: 'mail' | 'sms';
    links: { locale: Locale; href: string }[];
  }[];
}

/** What was sent, the newest first. */
export interface DevInboxModel {
  messages: {
    href: string;
    channel: 'mail' | 'sms';
    to: string;
    title: string;
    /** ISO 8601, and in words. */
    at: string;
    shownAt: string;
  }[];
}

/** One message, or one template with sample values. */
export interface DevMessageModel {
  title: string;
  to: string | null;
  locale: Locale;
  text: string;
  codes: string[];
  links: string[];
  /** Where its HTML is, by itself; null for an SMS. */
  frameUrl: string | null;
  backUrl: string;
}

/** Pages that there are in development only. */
export interface DevPageModels {
  'dev-templates': DevTemplatesModel;
  'dev-inbox': DevInboxModel;
  'dev-message': DevMessageModel;
}
