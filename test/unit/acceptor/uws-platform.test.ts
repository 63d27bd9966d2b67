// Covers src/acceptor/uws-platform.ts and what src/acceptor/uws.ts says where the native file may not be loaded.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadUws } from "../../../src/acceptor/uws.ts";
import { nativeFile } from "../../../src/acceptor/uws-platform.ts";

const folder = dirname(createRequire(import.meta.url).resolve("uWebSockets.js/package.json"));
const supported = ["x64", "arm64"].flatMap((arch) => ["115", "127", "137"].map((abi) => ["linux", arch, abi] as const));

describe("the native file of uWebSockets.js", () => {
  it.each(supported)("for %s %s with ABI %s is the one that is pinned", (platform, arch, abi) => {
    const file = nativeFile(platform, arch, abi)!;
    const sha256 = createHash("sha256")
      .update(readFileSync(join(folder, file.name)))
      .digest("hex");
    expect(sha256).toBe(file.sha256);
  });

  it.each([
    ["linux", "x64", "108"],
    ["linux", "s390x", "115"],
    ["win32", "x64", "115"],
    ["darwin", "arm64", "115"],
  ])("for %s %s with ABI %s is none", (platform, arch, abi) => {
    expect(nativeFile(platform, arch, abi)).toBeUndefined();
  });

  it("is not loaded where there is none, and the error names what is supported", () => {
    const arch = Object.getOwnPropertyDescriptor(process, "arch")!;
    Object.defineProperty(process, "arch", { ...arch, value: "s390x" });
    try {
      expect(() => loadUws()).toThrow(
        expect.objectContaining({ code: "bad_platform", message: expect.stringMatching(/s390x.*Linux x64 and arm64/) }),
      );
    } finally {
      Object.defineProperty(process, "arch", arch);
    }
  });
});
