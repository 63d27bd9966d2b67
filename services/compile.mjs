// Compiles the jobs it reads from standard input, in a process of its own: clang alone takes 400 MB while it runs.
//
// A job: { compiler: "clang" | "asc" | "wat", args, files, out }. `args` go to the compiler; `files` are paths of the
// sources
// that clang sees, by their base names; `out` is the path of the module. The first failure ends the process with code
// 1.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";

/** C to wasm with npm's clang, which sees only the files it is given. */
async function clang({ args, files }) {
  const { runClang } = await import("@yowasp/clang");
  const sources = Object.fromEntries(files.map((file) => [basename(file), readFileSync(file, "utf8")]));
  const said = [];
  const decoder = new TextDecoder();
  const listen = (bytes) => said.push(bytes === null ? "" : decoder.decode(bytes));
  try {
    // Loaded beforehand, since clang tells of its loading on standard output whatever its options say.
    await runClang(null, {}, { fetchProgress: () => {} });
    const made = await runClang(["clang", ...args, "-o", "out.wasm"], sources, { stdout: listen, stderr: listen });
    return made["out.wasm"];
  } catch (error) {
    throw new Error(`clang failed\n${said.join("")}${error.message}`);
  }
}

/** AssemblyScript to wasm; `args` name the entry file. */
async function asc({ args }) {
  const { main } = await import("assemblyscript/asc");
  let made;
  const result = await main([...args, "--outFile", "out.wasm"], {
    writeFile: (_name, contents) => {
      made = contents;
    },
  });
  if (result.error !== null) throw new Error(`asc failed\n${result.stderr.toString()}`);
  return made;
}

/**
 * Text to wasm. The files are lists of module fields and become one module; imports may stand in any of them, each on a
 * line
 * that begins with "(import". `args` are names of proposals to allow beyond the standard.
 */
async function wat({ args, files }) {
  const { default: load } = await import("wabt");
  const wabt = await load();
  const lines = files.flatMap((file) => readFileSync(file, "utf8").split("\n"));
  const isImport = (line) => line.startsWith("(import ");
  const text = ["(module", ...lines.filter(isImport), ...lines.filter((line) => !isImport(line)), ")"].join("\n");
  const module = wabt.parseWat("module", text, Object.fromEntries(args.map((name) => [name, true])));
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

const compilers = { clang, asc, wat };

/** Writes a file so that a reader sees the old one or the new one, never a part. */
export function writeWhole(path, contents) {
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, contents);
  renameSync(part, path);
}

if (process.argv[1] === import.meta.filename) {
  for (const job of JSON.parse(await text(process.stdin))) {
    try {
      writeWhole(job.out, await compilers[job.compiler](job));
    } catch (error) {
      process.stderr.write(`${job.out}: ${error.message}\n`);
      process.exit(1);
    }
  }
}
