/** `a@b.example` or `Name <a@b.example>`, on one line and without quoting (RFC 5322 3.4). */
export const MAILBOX = /^(?:[^\s<>@"]+@[^\s<>@"]+|[^<>@"\r\n]+ <[^\s<>@"]+@[^\s<>@"]+>)$/;
