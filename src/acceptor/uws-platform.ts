// Which native files of uWebSockets.js may be loaded: platform, architecture, Node's ABI → sha256 of the file.
//
// npm's `uwebsockets` is a third party's package of the project's binaries, so each is pinned (reliability.md §3.13).
// ABI 115 is Node 20 (glibc 2.27 or later), 127 is Node 22 and 137 is Node 24 (glibc 2.38 or later).

const digests: Readonly<Record<string, string>> = {
  linux_x64_115: "f4fa5d7b697529b45ac8aa3d57385d9af51bc1d2b26aa9f5b68ca4361542e665",
  linux_x64_127: "78e38a9a163b1cf33ce539619e5908111dea95a12e7943d95fbcdd524879caa8",
  linux_x64_137: "3b549c14e01d9d1faf234cdf4b6f0fb08158605e3692cd0eb1b905e327bd3449",
  linux_arm64_115: "034e0fcccdc08f90df3b130f421516311831b1352fe38eab91abc2984c2fdf3a",
  linux_arm64_127: "a7d9bc3ec166421a49416d5ea4f49118ae68ea1dbf8a765c4f45a79b0b6adb13",
  linux_arm64_137: "b6eb007d627e00bcce03ad38f197124e9027c03f6fe784b37f97b8a6ea709cb4",
};

/** For error texts. */
export const supportedPlatforms =
  "Linux x64 and arm64, on Node 20 with glibc 2.27 or later, on Node 22 and 24 with glibc 2.38 or later";

/** The file that belongs to a platform, and the sha256 it must have; undefined where there is none. */
export function nativeFile(
  platform: string,
  arch: string,
  abi: string,
): { readonly name: string; readonly sha256: string } | undefined {
  const key = `${platform}_${arch}_${abi}`;
  const sha256 = digests[key];
  return sha256 === undefined ? undefined : { name: `uws_${key}.node`, sha256 };
}
