// src/sources/address.ts and allow.ts: which addresses and hosts a module may come from.
import { describe, expect, it } from "vitest";
import { isForbiddenAddress } from "../../../src/sources/address.ts";
import { AllowList } from "../../../src/sources/allow.ts";

/** First, middle and last address of each range of the IANA special-purpose registries (IPv4). */
const forbiddenV4 = [
  ["0.0.0.0", "0.128.0.1", "0.255.255.255"],
  ["10.0.0.0", "10.128.3.4", "10.255.255.255"],
  ["100.64.0.0", "100.96.1.1", "100.127.255.255"],
  ["127.0.0.0", "127.0.0.1", "127.255.255.255"],
  ["169.254.0.0", "169.254.169.254", "169.254.255.255"],
  ["172.16.0.0", "172.24.0.1", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.170", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.128", "192.0.2.255"],
  ["192.88.99.0", "192.88.99.1", "192.88.99.255"],
  ["192.168.0.0", "192.168.1.1", "192.168.255.255"],
  ["198.18.0.0", "198.19.0.0", "198.19.255.255"],
  ["198.51.100.0", "198.51.100.99", "198.51.100.255"],
  ["203.0.113.0", "203.0.113.7", "203.0.113.255"],
  ["224.0.0.0", "230.1.2.3", "239.255.255.255"],
  ["240.0.0.0", "250.1.2.3", "255.255.255.255"],
].flat();

const allowedV4 = [
  "1.0.0.0",
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "169.253.255.255",
  "169.255.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "192.0.1.0",
  "192.0.3.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
];

const forbiddenV6 = [
  ["::", "::1", "::ffff", "::7f00:1", "::127.0.0.1", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "0:0:0:0:0:ffff:7f00:1"],
  ["64:ff9b::", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::", "100::ffff:ffff:ffff:ffff"],
  ["2001::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff::"],
  ["2001:db8::", "2001:db8:8000::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2002::", "2002:7f00:1::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["4000::", "5f00::1", "7fff::1", "8000::", "bfff::1"],
  ["fc00::", "fd12:3456:789a::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["fe80::", "fe80::1", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::1%lo"],
  ["fec0::1", "ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
].flat();

const allowedV6 = ["2001:200::", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1"];

const notAddresses = ["", "localhost", "127.1", "0x7f000001", "2130706433", "8.8.8.8.8", "8.8.8.8:80", "[::1]", "::g"];

describe("a network address", () => {
  it.each([...forbiddenV4, ...forbiddenV6, ...notAddresses])("%s is forbidden", (address) => {
    expect(isForbiddenAddress(address)).toBe(true);
  });

  it.each(forbiddenV4)("%s is forbidden in its IPv6 forms, too", (address) => {
    const hex = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
    const groups = `${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`;
    for (const form of [
      `::ffff:${address}`,
      `::${address}`,
      `64:ff9b::${address}`,
      `2002:${groups}::1`,
      `2001:0:${groups}::1`,
    ]) {
      expect(isForbiddenAddress(form), form).toBe(true);
    }
  });

  it.each([...allowedV4, ...allowedV6])("%s is allowed", (address) => {
    expect(isForbiddenAddress(address)).toBe(false);
  });
});

describe("the allow-list", () => {
  const list = new AllowList(["modules.example", "build.example:8443", "http://plain.example:8080", "127.0.0.1:9000"]);

  it.each([
    ["https://modules.example/a.wasm", false],
    ["https://modules.example:443/a.wasm?b=c", false],
    ["https://MODULES.example/a.wasm", false],
    ["https://build.example:8443/", false],
    ["http://plain.example:8080/x", false],
    ["https://127.0.0.1:9000/x", true],
    ["https://2130706433:9000/x", true], // the same address, spelled otherwise
  ])("takes %s", (url, isNamedAddress) => {
    expect(list.check(url).isNamedAddress).toBe(isNamedAddress);
  });

  it.each([
    "http://modules.example/", // not https
    "https://modules.example:444/",
    "https://modules.example./",
    "https://evil.modules.example/",
    "https://modules.example.evil/",
    "https://build.example/",
    "https://plain.example:8080/",
    "http://127.0.0.1:9000/", // listed for https
    "https://127.0.0.1/",
    "https://user@modules.example/",
    "https://user:pass@modules.example/",
    "https://modules.example@evil.example/",
    "ftp://modules.example/",
    "data:application/wasm,x",
    "modules.example/a.wasm",
    "",
  ])("refuses %j", (url) => {
    expect(() => list.check(url)).toThrow(expect.objectContaining({ code: "source_refused" }));
  });

  it("refuses everything when it is empty", () => {
    expect(() => new AllowList([]).check("https://modules.example/")).toThrow(/URLs are off/);
  });

  it.each(["", "*.example", "https://a.example/path", "a.example/", "ftp://a.example", "u@a.example", "a b"])(
    "does not take the entry %j",
    (entry) => {
      expect(() => new AllowList([entry])).toThrow(expect.objectContaining({ code: "bad_config" }));
    },
  );
});
