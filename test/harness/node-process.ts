// Starts the built program as a child on a free loopback port, with a data folder and a config of its own, reads its
// log, and stops it by its pid. A test that ends with `stop` has shown that nothing of the node is left.
//
// FRENEZULO_TEST_NODE names another Node binary to run it with (npm's node@24), TEST_ACCEPTORS=node the other acceptor.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "smol-toml";
import { eventually, PATIENCE_MS, patient } from "./patience.ts";

const mainFile = join(import.meta.dirname, "../../dist/main.js");

export type Http = "uws" | "node";
export const defaultHttp: Http = process.env.TEST_ACCEPTORS === "node" ? "node" : "uws";

export interface NodeOptions {
  /**
   * What frenezulo.toml holds, in its own names: {services: {hello: {source: "/…"}}}. Times that it does not name are
   * those of `patient`. A log.level above info is not understood.
   */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly http?: Http;
  /** Further arguments of `up`. */
  readonly args?: readonly string[];
  /** Flags for Node itself. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The folder of a node that was stopped with `keepFolder`: its store is used again. */
  readonly folder?: string;
}

/** A line of the node's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** How a process ended: one of both is null. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a process holds, from /proc. */
export interface Usage {
  readonly threads: number;
  readonly descriptors: number;
  readonly rssBytes: number;
}

const running = new Set<NodeProcess>();
const killAll = (): void => {
  for (const { pid } of running) killGroup(pid);
};
process.once("exit", killAll);
// How vitest ends a worker whose test hangs; "exit" does not come then.
process.once("SIGTERM", () => {
  killAll();
  process.exit(143);
});

export class NodeProcess {
  /** "127.0.0.1:PORT". */
  address = "";
  readonly pid: number;
  /** Holds frenezulo.toml and the store. */
  readonly folder: string;
  readonly log: LogLine[] = [];
  /** What it wrote to standard error, and lines of its log that are no JSON. */
  stderr = "";
  /** Resolves when the process has ended and its output has been read. */
  readonly ended: Promise<ProcessEnd>;
  #rest = "";
  readonly #watchers = new Set<() => void>();

  private constructor(child: ChildProcess, folder: string) {
    this.pid = child.pid as number;
    this.folder = folder;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        running.delete(this);
        this.#notify();
        resolve({ code, signal });
      });
    });
    running.add(this);
  }

  /** @throws with what it said if it does not come to listen */
  static async start(options: NodeOptions = {}): Promise<NodeProcess> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), "frenezulo-test-"));
    const file = join(folder, "frenezulo.toml");
    const config = patient(options.config ?? {});
    const { http = defaultHttp } = options;
    const listen = { address: "127.0.0.1:0", http, ...(config.listen as object) };
    const log = { level: "info", format: "json", ...(config.log as object | undefined) };
    writeFileSync(file, stringify({ ...config, listen, log, store: { data: join(folder, "data") } }));
    const args = [...(options.nodeArgs ?? []), mainFile, "up", "--config", file, ...(options.args ?? [])];
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn(process.env.FRENEZULO_TEST_NODE ?? process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...env, ...options.env },
      detached: true, // a process group of its own: what it might leave behind can be found
    });
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    const node = new NodeProcess(child, folder);
    const { msg } = await node.logged(/^listening on /).catch(async (error: unknown) => {
      await node.stop({ keepFolder: options.folder !== undefined });
      throw error;
    });
    node.address = msg.replace(/^listening on \w+:\/\//, "");
    return node;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** The first line of the log, written or yet to come, whose text fits. @throws if the node ends before */
  logged(text: RegExp): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const settle = (line: LogLine | undefined, why: string): void => {
        clearTimeout(timer);
        this.#watchers.delete(check);
        if (line === undefined) reject(new Error(`${why}\n${this.tail()}`));
        else resolve(line);
      };
      const timer = setTimeout(() => settle(undefined, `no ${text} in the log`), PATIENCE_MS);
      const check = (): void => {
        const line = this.log.find(({ msg }) => text.test(msg));
        if (line !== undefined || !running.has(this)) settle(line, `the node ended without ${text} in its log`);
      };
      this.#watchers.add(check);
      check();
    });
  }

  /** What guests of a service wrote to their log, as far as it has been read: wait for the last line you want. */
  guestLines(service: string): string[] {
    return this.log.filter((line) => line.service === service && line.stream !== undefined).map(({ msg }) => msg);
  }

  /** The last lines it wrote, for a failure's text. */
  tail(): string {
    return [...this.log.slice(-20).map((line) => JSON.stringify(line)), this.stderr.slice(-4000)].join("\n");
  }

  /** All metrics now: "frenezulo_zombies" or "frenezulo_requests_total{service=\"hello\",code=\"200\"}" → value. */
  async metrics(): Promise<Map<string, number>> {
    const response = await fetch(`${this.url}/services/-/metrics`);
    if (response.status !== 200) throw new Error(`metrics answered ${response.status}`);
    const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(/\S+$/.exec(line)?.[0])]));
  }

  /** One metric, 0 if it is not there. `name` without "frenezulo_". */
  async metric(name: string): Promise<number> {
    return (await this.metrics()).get(`frenezulo_${name}`) ?? 0;
  }

  /** Resolves once a metric holds. @throws with its last value if it never does */
  metricSettles(name: string, holds: (value: number) => boolean): Promise<number> {
    return eventually(
      () => this.metric(name),
      holds,
      (last) => `${name} is still ${last}\n${this.tail()}`,
    );
  }

  /** Resolves once every thread that was to end has ended. */
  async noZombies(): Promise<void> {
    await this.metricSettles("zombies", (zombies) => zombies === 0);
  }

  usage(): Usage {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return {
      threads: readdirSync(`/proc/${this.pid}/task`).length,
      descriptors: readdirSync(`/proc/${this.pid}/fd`).length,
      rssBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024,
    };
  }

  signal(name: NodeJS.Signals): void {
    if (running.has(this)) process.kill(this.pid, name);
  }

  /**
   * SIGTERM, and waits. Asserts that neither it nor a child of it is left, and removes its folder.
   * @throws if it does not end in time: then it is killed
   */
  async stop({ keepFolder = false } = {}): Promise<ProcessEnd> {
    this.signal("SIGTERM");
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), PATIENCE_MS);
    });
    const end = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    const left = end === null ? [this.pid] : groupMembers(this.pid);
    if (left.length > 0) {
      killGroup(this.pid);
      await this.ended;
    }
    if (!keepFolder) rmSync(this.folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`processes ${left.join(", ")} were left after SIGTERM\n${this.tail()}`);
    return end as ProcessEnd;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      try {
        this.log.push(JSON.parse(line) as LogLine);
      } catch {
        this.stderr += `${line}\n`;
      }
    }
    this.#notify();
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Processes of a group that are there, those included that nobody has waited for. */
function groupMembers(group: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // After the name, which is in parentheses and may hold any character: state, parent, group.
        const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]) === group;
      } catch {
        return false; // it has ended meanwhile
      }
    });
}

function killGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // nobody is left
  }
}
