import type { Context } from 'koa';
import type { LiveSession } from '../../features/session/index.ts';
import type { Tenant } from '../../features/tenant/index.ts';
import type { Profile } from '../../features/user/index.ts';
import type {
  AccountAreaModels,
  AccountSection,
  FormError,
  Locale,
  PageModels,
} from '../../pages/index.ts';
import type { Form } from '../forms.ts';
import type { StepFailure } from '../step-failures.ts';

/** A request of somebody who is signed in, as a page's handlers get it. */
export interface AccountVisit {
  ctx: Context;
  /** What the path names, such as `:id`. */
  params: Record<string, string>;
  person: Profile;
  /** The home tenant: its name and colours are the page's, its settings hold. */
  tenant: Tenant;
  /** The session as its row says, so that what was proved since counts. */
  session: LiveSession;
  /** The language of the page. */
  locale: Locale;
  /** What every form sends as `csrf`; the frame has checked it before `post` runs. */
  csrfToken: string;
  /** Shows a page within navigation and all. */
  render<P extends keyof AccountAreaModels>(
    page: P,
    model: Omit<PageModels[P], 'shell'>,
    status?: number,
    /** `isOnce`: what is shown cannot be asked for again, as in another language. */
    options?: { isOnce?: boolean },
  ): Promise<void>;
  /**
   * Ends a form: the browser asks for a page of the account page, which tells once what was done.
   * @param notice a message of `accountNotices`
   */
  redirect(path: string, notice?: FormError): void;
  /** A page's words for an error. @throws the error itself where a person can do nothing about it */
  explain(error: unknown): StepFailure;
  /** After the account was erased: the browser forgets it and is shown the last page. */
  sayGoodbye(): Promise<void>;
}

/** A page or a form of the account page, as data. */
export interface AccountPage {
  /** Under `/account`, with parameters such as `:id`. */
  path: string;
  /** The part that it belongs to; the first page of a part is its entry in the navigation. */
  section: AccountSection;
  /**
   * Whether a sign-in within the last 15 minutes is needed, with a second factor of
   * whoever has one (ASVS 7.5.1); without it the browser signs in and comes back.
   * `one-factor`: any sign-in will do, to end what is open (ASVS 7.5.2).
   */
  fresh?: true | 'one-factor';
  /** Left out where a form has no page of its own: then `from` names the page that it is on. */
  get?(visit: AccountVisit): Promise<void> | void;
  from?: string;
  post?(visit: AccountVisit, form: Form): Promise<void> | void;
}

/** Declares a page. */
export const accountPage = (page: AccountPage): AccountPage => page;
