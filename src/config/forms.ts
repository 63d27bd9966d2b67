// What texts among the settings must look like, with the words for it. Pure.
import type { Form } from "./kinds.ts";

const port = "(6553[0-5]|655[0-2]\\d|65[0-4]\\d\\d|6[0-4]\\d{3}|[1-5]?\\d{1,4})";

export const address: Form = {
  pattern: new RegExp(`^(unix:[^\\0]+|(\\[[0-9a-fA-F:.]+\\]|[a-zA-Z0-9.-]+):${port})$`),
  what: 'an address like "127.0.0.1:3000", "[::1]:3000" or "unix:/run/frenezulo.sock"',
};
export const filePath: Form = { pattern: /^[^\0]+$/, what: "a path" };
/** As src/sources/allow.ts takes them. */
export const host: Form = {
  pattern: new RegExp(`^(https?://)?(\\[[0-9a-fA-F:.]+\\]|[a-zA-Z0-9.-]+)(:${port})?$`),
  what: 'a host like "example.org", "example.org:8443" or "http://example.org"',
};
export const name: Form = {
  pattern: /^[a-z0-9][a-z0-9._-]{0,63}$/,
  what: "a name of 1 to 64 of a-z 0-9 . _ - that begins with a letter or digit",
};
export const variable: Form = {
  pattern: /^[^=\p{Cc}]{1,256}$/u,
  what: "a name of 1 to 256 characters without = and control characters",
};
export const digest: Form = { pattern: /^[0-9a-fA-F]{64}$/, what: "a sha256 of 64 hex digits" };
export const token: Form = {
  pattern: /^[\x21-\x7e]{32,4096}$/,
  what: "32 to 4096 visible ASCII characters (openssl rand -hex 32)",
};
