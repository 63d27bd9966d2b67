// Covers docker-compose.yml and Dockerfile, as far as they can be checked without a container being started.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");
const isInstalled = spawnSync("docker-compose", ["version"]).error === undefined;

function config(env: Record<string, string>) {
  const { FRENEZULO_ADMIN_TOKEN: _, ...others } = process.env;
  return spawnSync("docker-compose", ["--profile", "load", "config"], {
    cwd: root,
    env: { ...others, ...env },
    encoding: "utf8",
  });
}

describe("docker-compose.yml", () => {
  it("is accepted by docker-compose, with every defence of the node in force", (context) => {
    if (!isInstalled) context.skip("docker-compose is not installed (Debian: apt-get install docker-compose)");
    const { status, stdout, stderr } = config({ FRENEZULO_ADMIN_TOKEN: "0123456789abcdef0123456789abcdef" });
    expect(stderr).not.toMatch(/error|unsupported|invalid/i);
    expect(status).toBe(0);
    const node = stdout.slice(stdout.indexOf("\n  node:\n"), stdout.indexOf("\nvolumes:"));
    for (const line of [
      /read_only: true/,
      /cap_drop:\s+- ALL/,
      /no-new-privileges:true/,
      /mem_limit: 2g/,
      /pids_limit: \d+/,
      /init: true/,
      /user: node/,
      /store:\/data/,
      /127\.0\.0\.1:3000:3000/,
      /\/services\/-\/healthz/,
    ]) {
      expect(node).toMatch(line);
    }
    expect(stdout).toMatch(/k6:[\s\S]*profiles:\s+- load/);
  });

  it("is refused without an admin token, and says so", (context) => {
    if (!isInstalled) context.skip("docker-compose is not installed (Debian: apt-get install docker-compose)");
    const { status, stderr } = config({});
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/FRENEZULO_ADMIN_TOKEN/);
  });
});

describe("Dockerfile", () => {
  const instructions = readFileSync(join(root, "Dockerfile"), "utf8").replace(/\\\n/g, " ").split("\n");

  it("copies only what the checkout has and .dockerignore lets through", () => {
    const allowed = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
    const copied = instructions
      .filter((line) => line.startsWith("COPY ") && !line.includes("--from"))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    expect(copied.length).toBeGreaterThan(0);
    expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    expect(copied.filter((path) => !allowed.includes(`!${path}`))).toEqual([]);
  });

  it("runs the node as a user who is not root, from the dependencies of production alone", () => {
    expect(instructions.indexOf("USER node")).toBeGreaterThan(instructions.lastIndexOf("FROM node:20-bookworm-slim"));
    expect(instructions.join("\n")).toMatch(/npm prune --omit=dev/);
  });
});
