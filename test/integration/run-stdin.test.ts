// `frenezulo run`: standard input, exit codes and the text of a trap, through the built program.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");
const cache = mkdtempSync(join(tmpdir(), "frenezulo-stdin-"));
afterAll(() => rmSync(cache, { recursive: true }));
const env = { ...process.env, XDG_CACHE_HOME: cache };
const args = [mainFile, "run", guestPath("cat")];

it("reads what is there, and then its end", () => {
  for (const bytes of [0, 1, 65_536, 300_000]) {
    const input = Buffer.alloc(bytes, "x");
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { input, env, maxBuffer: 1 << 20 });
    expect([status, stderr.toString()]).toEqual([3, `${bytes} bytes\n`]);
    expect(stdout.equals(input)).toBe(true);
  }
});

it("waits for input that comes later", async () => {
  const child = spawn(process.execPath, args, { env });
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  child.stdin.write("one\n");
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.stdin.end("two\n");
  expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(3);
  expect(output).toBe("one\ntwo\n");
});

it("ends without a word when nobody reads its output any more", async () => {
  const child = spawn(process.execPath, args, { env });
  let errors = "";
  child.stderr.on("data", (text) => {
    errors += text;
  });
  child.stdin.on("error", () => undefined);
  child.stdout.once("data", () => child.stdout.destroy());
  const lines = setInterval(() => child.stdin.write("x".repeat(10_000)), 20);
  expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(141);
  clearInterval(lines);
  expect(errors).toBe("");
});

it("does not wait for the input of a program that reads none", async () => {
  const child = spawn(
    process.execPath,
    [mainFile, "run", join(import.meta.dirname, "../guests/build/lunatic-facts.wasm")],
    { env },
  );
  expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
  child.stdin.end();
});
