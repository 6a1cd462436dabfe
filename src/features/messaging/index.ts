/**
 * Messages to people, by mail and SMS: which template, in which language, under
 * whose name. Must not decide who is told what.
 */
export {
  type Channel,
  type Message,
  type MessageRequest,
  type MessageTemplates,
  type Messenger,
  SMS_TEMPLATES,
  type TemplateName,
} from './schema.ts';
export { assertReady, createMessenger } from './service.ts';
