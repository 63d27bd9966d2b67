// frenezulo rm: takes a service from a running node.
import { call, clientOptions, servicePath } from "./client.ts";
import { type Command, json } from "./command.ts";

export const rm: Command = {
  usage: "rm PREFIX [options]",
  summary: "Removes a service with all its versions.",
  options: { ...clientOptions, json },
  async run([prefix], values) {
    await call(values, { method: "DELETE", path: servicePath(prefix) });
    process.stdout.write(values.json === true ? `${JSON.stringify({ prefix })}\n` : `${prefix}: removed\n`);
    return 0;
  },
};
