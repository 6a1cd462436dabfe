export {
  type AccountAreaModels,
  type AccountSection,
  type AddressCodeModel,
  type AddressLine,
  type AddressModel,
  type AttributeField,
  accountSections,
  type InShell,
  type OverviewModel,
  type PasswordModel,
  type ProfileModel,
} from './account-area-models.ts';
export type { AccountPageModels, FormError } from './account-models.ts';
export type { AccountRoom, AccountShell } from './account-shell.ts';
export { type Asset, assetPath, assets } from './assets.ts';
export { brandStylesheet } from './brand-colour.ts';
export type { DevInboxModel, DevMessageModel, DevTemplatesModel } from './dev-models.ts';
export { imageUrl, webUrl } from './html.ts';
export { isLocale, type LocaleWishes, locales, negotiateLocale } from './locale.ts';
export {
  createMessageRenderer,
  type MailTemplate,
  type MessageOverrides,
  type MessageRenderer,
  mailTemplates,
  type RenderedMail,
  type SmsTemplate,
  smsTemplates,
  type TemplateRequest,
} from './mails.ts';
export {
  accountEndOnward,
  accountErrors,
  accountNames,
  accountNotices,
  codeErrors,
  deviceErrors,
  docsLabels,
  type ErrorKind,
  errorKinds,
  errorMessageIds,
  factorErrors,
  factorMessages,
  factWords,
  historyMessages,
  identifierFieldErrors,
  knownScopes,
  onwardLabels,
  passwordErrors,
  scopeLine,
  signInErrors,
  signInFieldErrors,
  signInNotices,
  signUpErrors,
  stepErrors,
} from './message-ids.ts';
export { sampleValues } from './message-samples.ts';
export { checkOverride, type MessagePart } from './overrides.ts';
export { createPages } from './pages.ts';
export { recoveryCodesFile } from './recovery-codes-file.ts';
export type { FactorMethod, SecondFactorPageModels } from './second-factor-models.ts';
export type {
  ApplicationLine,
  FactorLine,
  HistoryLine,
  Moment,
  SecurityAreaModels,
  SessionLine,
} from './security-models.ts';
export type {
  Account,
  ApproveEndModel,
  ApproveModel,
  Brand,
  ConsentModel,
  ContinueModel,
  DeviceConfirmModel,
  DeviceEndModel,
  DeviceModel,
  ErrorModel,
  Frame,
  LandingModel,
  Locale,
  LogoutModel,
  MessageValues,
  NotFoundModel,
  Origin,
  PageModels,
  PageName,
  Pages,
  PagesOptions,
  ScopeLine,
  SignedOutModel,
  SignInModel,
} from './types.ts';
