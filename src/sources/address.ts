// Which network addresses a module may be fetched from: only public unicast ones. Pure.
import { BlockList, isIP } from "node:net";

// IANA special-purpose address registries (RFC 6890 and updates). Two lists, one a family: in a common list the
// IPv6 rules that cover mapped addresses would match every IPv4 address, too (measured).
const forbiddenV4 = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8], // this network
  ["10.0.0.0", 8], // private
  ["100.64.0.0", 10], // carrier-grade NAT
  ["127.0.0.0", 8], // loopback
  ["169.254.0.0", 16], // link-local; cloud metadata
  ["172.16.0.0", 12], // private
  ["192.0.0.0", 24], // protocol assignments
  ["192.0.2.0", 24], // documentation
  ["192.88.99.0", 24], // 6to4 relay
  ["192.168.0.0", 16], // private
  ["198.18.0.0", 15], // benchmarks
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, broadcast
] as const) {
  forbiddenV4.addSubnet(network, bits, "ipv4");
}

/** Only 2000::/3 is global unicast: all around it is forbidden, and within it what stands for other networks. */
const forbiddenV6 = new BlockList();
for (const [network, bits] of [
  ["::", 3], // loopback, ::/96, mapped ::ffff:0:0/96, NAT64 64:ff9b::/96 and 64:ff9b:1::/48, discard 100::/64
  ["4000::", 2],
  ["8000::", 1], // unique local fc00::/7, link-local fe80::/10, site-local, multicast ff00::/8
  ["2001::", 23], // Teredo 2001::/32, benchmarks, ORCHID
  ["2001:db8::", 32], // documentation
  ["2002::", 16], // 6to4: an IPv4 address inside
  ["3fff::", 20], // documentation
] as const) {
  forbiddenV6.addSubnet(network, bits, "ipv6");
}

/** True for loopback, private, link-local, reserved and multicast addresses, and for what is no address at all. */
export function isForbiddenAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return forbiddenV4.check(address, "ipv4");
    case 6:
      return address.includes("%") || forbiddenV6.check(address, "ipv6"); // a zone: link-local
    default:
      return true;
  }
}
