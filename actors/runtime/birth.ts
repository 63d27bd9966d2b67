// A process that the main thread wants in this carrier.
import type { BirthSpec } from "../../wire/control.ts";
import { entryFromJson } from "../instances/entry.ts";
import { rightsFromJson } from "../processes/resources.ts";
import type { Runtime } from "./runtime.ts";

/** @returns its pid, or why there is none */
export function bearSpec(runtime: Runtime, spec: BirthSpec): number | string {
  const { environment, module, link, entry, root, isReported } = spec;
  const home = runtime.open(environment);
  const born = runtime.spawner.bear({
    environment: home,
    pool: runtime.addModule(module, spec.carrierModule),
    module,
    rights: rightsFromJson(spec.rights),
    entry: entryFromJson(entry),
    root,
    link: link === null ? null : { pid: link.pid, tag: BigInt(link.tag) },
    isReported,
  });
  if (typeof born === "string") return born;
  home.bornForMain(root);
  return born.process.pid;
}
