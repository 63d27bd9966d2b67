// Reads a running node's supervision tree, and rewrites its config file.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "smol-toml";
import type { ReloadResult, TreeChild, TreeView } from "../../src/admin/verbs.ts";
import type { ErrorBody } from "./admin-client.ts";
import { defaultHttp, type NodeProcess } from "./node-process.ts";
import { patient } from "./patience.ts";

export async function treeOf(node: NodeProcess): Promise<TreeView> {
  const response = await fetch(`${node.url}/services/-/tree`);
  if (response.status !== 200) throw new Error(`the tree answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as TreeView;
}

/** All children of a tree, from the root down. */
export function* childrenOf(tree: TreeView): Iterable<TreeChild> {
  for (const child of tree.children) {
    yield child;
    if (child.supervisor !== null) yield* childrenOf(child.supervisor);
  }
}

/** A supervisor by its id, or a service's by its prefix: the current one, which was added last. */
export function supervisorIn(tree: TreeView, name: string): TreeView {
  const found = [...childrenOf(tree)].flatMap(({ supervisor }) => supervisor ?? []);
  const view = found.filter(({ id, service }) => id === name || service === name).at(-1);
  if (view === undefined) throw new Error(`the tree has no supervisor ${name}`);
  return view;
}

/** The actors of a service that run, by pid, with their carriers. */
export async function actorsOf(node: NodeProcess, prefix: string): Promise<Map<number, number>> {
  const { children } = supervisorIn(await treeOf(node), prefix);
  return new Map(children.flatMap(({ actor }) => (actor === null ? [] : [[actor.pid, actor.carrier] as const])));
}

/** The pids of a service's actors, in order. */
export async function pidsOf(node: NodeProcess, prefix: string): Promise<number[]> {
  return [...(await actorsOf(node, prefix)).keys()].sort((a, b) => a - b);
}

/** What frenezulo.toml holds, in its own names. */
export type FileConfig = Readonly<Record<string, unknown>>;

/** Writes a node's config file anew; the listener, the log and the store stay as NodeProcess.start made them. */
export function writeConfig(node: NodeProcess, config: FileConfig): void {
  writeConfigText(node, stringify(wholeConfig(node, config)));
}

export function writeConfigText(node: NodeProcess, text: string): void {
  writeFileSync(join(node.folder, "frenezulo.toml"), text);
}

export function wholeConfig(node: NodeProcess, config: FileConfig): Record<string, unknown> {
  const whole = patient(config);
  return {
    ...whole,
    listen: { address: "127.0.0.1:0", http: defaultHttp, ...(whole.listen as object) },
    log: { level: "info", format: "json" },
    store: { data: join(node.folder, "data"), ...(config.store as object | undefined) },
  };
}

export interface ReloadAnswer {
  readonly status: number;
  readonly result: ReloadResult;
  readonly error: ErrorBody;
}

export async function reload(node: NodeProcess): Promise<ReloadAnswer> {
  const response = await fetch(`${node.url}/services/-/reload`, { method: "POST" });
  const body = (await response.json()) as ReloadResult & { readonly error: ErrorBody };
  return { status: response.status, result: body, error: body.error };
}
