// The admin token: what makes one fit for use, and reading it from a file that only its owner can read.
import { readFile, stat } from "node:fs/promises";
import { FrenezuloError, reasonOf } from "../errors.ts";

export const TOKEN_BYTES_MIN = 32;
export const TOKEN_BYTES_MAX = 4_096;

/** @throws token_needed; the token itself is never in the text */
export function assertToken(token: string): void {
  const bytes = Buffer.byteLength(token);
  if (bytes < TOKEN_BYTES_MIN || bytes > TOKEN_BYTES_MAX) {
    const range = `${TOKEN_BYTES_MIN} to ${TOKEN_BYTES_MAX}`;
    throw new FrenezuloError("token_needed", {
      why: `The admin token has ${bytes} bytes; it must have ${range} (openssl rand -hex 32).`,
    });
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new FrenezuloError("token_needed", {
      why: "The admin token must be visible ASCII without blanks, since it travels in a header (openssl rand -hex 32).",
    });
  }
}

/**
 * The token in a file: its text without the blanks around it. The file must be readable by its owner only.
 * @throws token_needed
 */
export async function readTokenFile(path: string): Promise<string> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, "0");
      throw new Error(`its mode is ${octal}, so others than its owner can use it; chmod 600 ${path}`);
    }
    const token = (await readFile(path, "utf8")).trim();
    assertToken(token);
    return token;
  } catch (thrown) {
    if (thrown instanceof FrenezuloError) throw thrown;
    const why = `The admin token file ${path} cannot be used: ${reasonOf(thrown)}.`;
    throw new FrenezuloError("token_needed", { why }, { cause: thrown });
  }
}
