// Directories that guests may use: how they are written, the setting, and whether they are there.
import { existsSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import type { Preopen } from "../../wire/specs.ts";
import { FrenezuloError, reasonOf } from "../errors.ts";
import { type Setting, SettingProblem, show } from "./kinds.ts";
import type { Problem } from "./table.ts";

const DIRS_MAX = 32;
const PATH_MAX = 4096;

/**
 * "D", "D:ro" or "HOST::GUEST:ro" (":rw" is what is meant without). The guest sees D under that very name, as with
 * lunatic and wasmtime; the host's path is as it was written. Policies and `frenezulo run --dir` take this form.
 * @throws SettingProblem
 */
export function parsePreopen(text: string): Preopen {
  // After two colons it is the guest's name.
  const [, names = text, mode] = /^((?:.*[^:])?):(ro|rw)$/s.exec(text) ?? [];
  const at = names.indexOf("::");
  const host = at < 0 ? names : names.slice(0, at);
  const guest = at < 0 ? names : names.slice(at + 2);
  if (host === "" || guest === "" || text.length > PATH_MAX || /\p{Cc}/u.test(text))
    throw new SettingProblem(`${show(text)} is not a directory like "data", "/srv/www:ro" or "/srv/www::/www:ro"`);
  return { guest, host, isReadOnly: mode === "ro" };
}

export function formatPreopen({ guest, host, isReadOnly }: Preopen): string {
  return `${guest === host ? host : `${host}::${guest}`}${isReadOnly ? ":ro" : ""}`;
}

/** With its host's path absolute and without links, as far as it exists. */
export function canonicalPreopen(preopen: Preopen, folder: string): Preopen {
  const host = resolve(folder, preopen.host);
  try {
    return { ...preopen, host: realpathSync(host) };
  } catch {
    return { ...preopen, host }; // preopenProblems says it
  }
}

/** Directories of a command line: canonical, and there. @throws bad_usage */
export function preopensOf(texts: readonly string[], folder: string): Preopen[] {
  try {
    const preopens = texts.map((text) => canonicalPreopen(parsePreopen(text), folder));
    const [problem] = preopenProblems(preopens);
    if (problem !== undefined) throw new SettingProblem(problem.text);
    return preopens;
  } catch (error) {
    if (!(error instanceof SettingProblem)) throw error;
    throw new FrenezuloError("bad_usage", { why: `--dir: ${error.message}` });
  }
}

/** A list of directories. @param isMapped whether they have names of the guest's: HOST::GUEST */
export function dirs(isMapped: boolean, doc: string): Setting<readonly Preopen[]> {
  const read = (given: unknown): readonly Preopen[] => {
    if (!Array.isArray(given) || given.some((each) => typeof each !== "string"))
      throw new SettingProblem(`${show(given)} is not a list of directories; write one like ["data", "/srv/www:ro"]`);
    if (given.length > DIRS_MAX) throw new SettingProblem(`there are ${given.length}; at most ${DIRS_MAX} are taken`);
    const found = (given as string[]).map(parsePreopen);
    const mapped = found.find(({ guest, host }) => guest !== host);
    if (!isMapped && mapped !== undefined)
      throw new SettingProblem(`${show(formatPreopen(mapped))} names it for a guest; write only the directory here`);
    return found;
  };
  return {
    kind: "directories",
    doc,
    initial: () => [],
    initialText: "[]",
    range: isMapped ? "each D, D:ro, HOST::GUEST or HOST::GUEST:ro" : "each D or D:ro",
    read,
    readText: (text) => read(text === "" ? [] : text.split(",").map((each) => each.trim())),
    write: (value) => `[${value.map(formatPreopen).join(", ")}]`,
    json: { type: "array", items: { type: "string", minLength: 1 }, maxItems: DIRS_MAX, default: [] },
    inFolder: (value, folder) => value.map((each) => canonicalPreopen(each, folder)),
  };
}

/** What is wrong with directories that were made canonical. */
export function preopenProblems(preopens: readonly Preopen[]): Problem[] {
  const problems: Problem[] = [];
  const refuse = (why: string): void => void problems.push({ path: ["dirs"], text: `dirs: ${why}` });
  if (preopens.length > 0 && !existsSync("/proc/self/fd"))
    refuse("directories for guests need Linux with /proc: nothing else here keeps a guest inside of one");
  const names = new Set<string>();
  for (const { guest, host } of preopens) {
    if (names.has(guest)) refuse(`two of them have the name ${show(guest)}; give one another: ${host}::NAME`);
    names.add(guest);
    const why = whyNoDirectory(host);
    if (why !== null) refuse(why);
  }
  return problems;
}

function whyNoDirectory(path: string): string | null {
  try {
    return statSync(path).isDirectory() ? null : `${path} is not a directory`;
  } catch (error) {
    return `${path} cannot be used (${reasonOf(error)})`;
  }
}

/**
 * Directories that the API asks for: made canonical if they lie below those that it may give, and with problems else.
 * Nothing outside of those is touched, so that an answer does not tell which files there are.
 */
export function granted(
  asked: readonly Preopen[],
  allowed: readonly Preopen[],
): { readonly preopens: Preopen[]; readonly problems: Problem[] } {
  const problems: Problem[] = [];
  const preopens: Preopen[] = [];
  for (const each of asked) {
    const why = isAbsolute(each.host) ? whyRefused(each, allowed) : `${show(each.host)} is no absolute path`;
    if (why === null) preopens.push(canonicalPreopen(each, "/"));
    else problems.push({ path: ["dirs"], text: `dirs: ${why}` });
  }
  return { preopens, problems };
}

function whyRefused(asked: Preopen, allowed: readonly Preopen[]): string | null {
  // As the operator wrote it, too: that may be a link to where it is.
  const near = allowed.filter(({ guest, host }) => isWithin(host, asked.host) || isWithin(guest, asked.host));
  const { host } = near.length === 0 ? asked : canonicalPreopen(asked, "/");
  const giving = near.filter((each) => isWithin(each.host, host));
  if (giving.length === 0) return `${asked.host} lies in none of the node's admin.dirs`;
  if (!asked.isReadOnly && giving.every(({ isReadOnly }) => isReadOnly))
    return `${asked.host} may be given read-only; write ${show(formatPreopen({ ...asked, isReadOnly: true }))}`;
  return null;
}

function isWithin(folder: string, path: string): boolean {
  if (!isAbsolute(folder)) return false;
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`);
}
