// frenezulo tree: the supervision tree of a running node.
import type { TreeChild, TreeView } from "../admin/verbs.ts";
import { call, clientOptions } from "./client.ts";
import { type Command, json } from "./command.ts";

export const tree: Command = {
  usage: "tree [options]",
  summary: "Shows the supervision tree of a running node: state, restarts, last exit, requests in mailboxes.",
  options: { ...clientOptions, json },
  async run(_given, values) {
    const view = (await call(values, { method: "GET", path: "/services/-/tree" })) as TreeView;
    const text =
      values.json === true ? JSON.stringify(view) : [supervisorLine(view), ...childLines(view, "")].join("\n");
    process.stdout.write(`${text}\n`);
    return 0;
  },
};

function supervisorLine({ id, strategy, phase, recent_restarts, max_restarts, max_seconds }: TreeView): string {
  const intensity = max_restarts === null ? "" : `, ${recent_restarts} of ${max_restarts} restarts in ${max_seconds}s`;
  return `${id}  ${phase}  (${strategy}${intensity})`;
}

function childLines({ children }: TreeView, indent: string): string[] {
  return children.flatMap((child, i) => {
    const isLast = i === children.length - 1;
    const line = `${indent}${isLast ? "└─ " : "├─ "}${childLine(child)}`;
    const below = child.supervisor === null ? [] : childLines(child.supervisor, `${indent}${isLast ? "   " : "│  "}`);
    return [line, ...below];
  });
}

function childLine({ id, state, restart, restarts, last_exit, actor, supervisor }: TreeChild): string {
  const facts = supervisor === null ? `${id}  ${state}  (${restart})` : supervisorLine(supervisor);
  const where = actor === null ? "" : `  pid ${actor.pid} on carrier ${actor.carrier}, ${actor.depth} in its mailbox`;
  const past = restarts === 0 ? "" : `  ${restarts} restarts`;
  const exit = last_exit === null ? "" : `  last exit ${last_exit.reason}: ${last_exit.text.split("\n")[0]}`;
  return `${facts}${where}${past}${exit}`;
}
