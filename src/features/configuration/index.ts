/**
 * What administrators set while the service runs, for the platform or one
 * tenant: mail server, SMS provider, and messages in words of their own.
 * Must not send anything.
 */
export { configurationEvents } from './events.ts';
export type {
  Configuration,
  MailServerSettings,
  SmsProviderSettings,
  TemplateKey,
} from './schema.ts';
export {
  type CheckTemplate,
  type ConfigurationService,
  createConfigurationService,
  type Found,
} from './service.ts';
