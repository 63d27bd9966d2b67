// lunatic::distributed without a cluster: what it says of itself. What it does: test/guests/lunatic/facts.c.
import { describe, expect, it } from "vitest";
import { inside } from "../../../harness/local-carrier.ts";

const text = (name: string, ...args: (number | bigint)[]): string =>
  inside(({ call }) => void call(name, ...args)).exit.text;

describe("a host that is no part of a cluster", () => {
  it("is node 0, the only one", () => {
    inside(({ call }) => {
      expect(call("distributed.node_id")).toBe(0n);
      expect(call("distributed.nodes_count")).toBe(0);
      expect(call("distributed.get_nodes", 0, 10)).toBe(0);
    });
  });

  it("traps where another node is asked for", () => {
    const why = "there is no node 9: this host is not part of a cluster";
    expect(text("distributed.send", 9n, 1n)).toBe(why);
    expect(text("distributed.send_receive_skip_search", 9n, 1n, 1n, 0n)).toBe(why);
    expect(text("distributed.spawn", 9n, -1n, -1n, 0, 0, 0, 0, 0)).toBe(why);
  });

  it("spawns on itself as process.spawn does, with the rights that there are", () => {
    expect(text("distributed.spawn", 0n, -1n, -1n, 0, 0, 0, 0, 0)).toBe("it may not spawn processes");
    expect(text("process.spawn", 0n, -1n, -1n, 0, 0, 0, 0, 0)).toBe("it may not spawn processes");
  });

  it("traps in what only a cluster has", () => {
    const why = "this host is not part of a cluster";
    expect(text("distributed.exec_lookup_nodes", 0, 0, 0, 0, 0)).toBe(why);
    expect(text("distributed.copy_lookup_nodes_results", 0n, 0, 0, 0)).toBe(why);
    expect(text("distributed.test_root_cert", 0)).toBe(why);
    expect(text("distributed.default_server_certificates", 0, 0, 0, 0, 0)).toBe(why);
    expect(text("distributed.sign_node", 0, 0, 0, 0, 0, 0, 0)).toBe(why);
  });
});
