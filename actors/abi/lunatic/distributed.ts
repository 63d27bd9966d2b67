// lunatic::distributed without a cluster: this node is the only one, and its number is 0 (lunatic-abi.md §1.5).
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { messageFunctions } from "./message.ts";
import { processFunctions } from "./process.ts";

export function distributedFunctions(host: Host): HostFunctions {
  const { send, send_receive_skip_search } = messageFunctions(host) as Record<string, (...args: bigint[]) => number>;
  const { spawn } = processFunctions(host) as Record<string, (...args: (bigint | number)[]) => number>;
  const local = (node: bigint): void => {
    host.enter();
    if (u64(node) !== 0n) host.trap(`there is no node ${u64(node)}: this host is not part of a cluster`);
  };
  const noCluster = (): never => {
    host.enter();
    return host.trap("this host is not part of a cluster");
  };
  return {
    node_id: () => 0n,
    module_id: () => 0n,
    nodes_count: () => 0,
    get_nodes: () => 0,
    send: (node: bigint, pid: bigint) => {
      local(node);
      return send?.(pid);
    },
    send_receive_skip_search: (node: bigint, ...rest: bigint[]) => {
      local(node);
      return send_receive_skip_search?.(...rest);
    },
    spawn: (node: bigint, config: bigint, module: bigint, ...rest: number[]) => {
      local(node);
      return spawn?.(0n, config, module, ...rest);
    },
    exec_lookup_nodes: noCluster,
    copy_lookup_nodes_results: noCluster,
    test_root_cert: noCluster,
    default_server_certificates: noCluster,
    sign_node: noCluster,
  };
}
