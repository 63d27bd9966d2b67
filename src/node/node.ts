// Puts a node together: store, carriers, services, acceptors, in the order in which they start, and drains it.
import { availableParallelism } from "node:os";
import { Pids } from "../../wire/pids.ts";
import { Admin } from "../admin/admin.ts";
import type { ReloadResult, Verbs } from "../admin/verbs.ts";
import { Carriers } from "../carriers/carriers.ts";
import type { Zombie } from "../carriers/late-threads.ts";
import type { NodeConfig } from "../config/config.ts";
import type { LoadedConfig } from "../config/load.ts";
import { COMPILE_THREADS, guestFilesMax, INSTANCES_MAX } from "../config/machine.ts";
import { type ErrorCode, FrenezuloError } from "../errors.ts";
import { Actors } from "../hosting/actors.ts";
import type { Log } from "../log/log.ts";
import { Metrics } from "../metrics/metrics.ts";
import { LightStore } from "../modules/light-store.ts";
import { Modules } from "../modules/modules.ts";
import type { ServiceProcesses } from "../processes/of-services.ts";
import { ProcessSystem } from "../processes/processes.ts";
import { Registry } from "../registry/registry.ts";
import { Reload, type Reread } from "../registry/reload.ts";
import { Replacement } from "../registry/replacement.ts";
import { RequestIds } from "../requests/answers.ts";
import { Dispatch } from "../requests/dispatch.ts";
import { NodeFront } from "../requests/front.ts";
import { Ledger } from "../requests/ledger.ts";
import { Router } from "../services/router.ts";
import type { Service } from "../services/service.ts";
import { Sources } from "../sources/sources.ts";
import { Store } from "../store/store.ts";
import type { NodePart, Parts } from "../supervision/node-parts.ts";
import { SERVICES } from "../supervision/specs.ts";
import { Supervision } from "../supervision/supervision.ts";
import { adminToken, authOf } from "./admin-auth.ts";
import { drain } from "./drain.ts";
import { registerGauges } from "./gauges.ts";
import { Listeners } from "./listeners.ts";
import { Listing } from "./listing.ts";
import { serviceDetail, treeView } from "./views.ts";

/** A thread that has not ended this long after it was told to is late: it is not waited for. ms */
const LATE_MS = 2000;
const SOURCE_MS = 10_000;

export interface RunningNode {
  readonly addresses: { readonly listen: string; readonly admin: string | null };
  reload(): Promise<ReloadResult>;
  /** Stops in order (DECISIONS 7.3). `cut`: requests that had no answer at the deadline. */
  drain(): Promise<{ cut: number }>;
  /** Threads that have not ended. process.exit() would wait for them for ever (M). */
  readonly threadsLeft: number;
  /** Resolves when the node must be drained and started anew: more threads than limits.zombies could not be ended. */
  readonly failed: Promise<readonly Zombie[]>;
}

/** Starts a node. @throws every code of start-up; then nothing of it runs any more */
export async function startNode(loaded: LoadedConfig, log: Log, reread: Reread | null): Promise<RunningNode> {
  const node = new Node(loaded, log, reread, await adminToken(loaded.config));
  await node.start();
  return node;
}

class Node implements Verbs, RunningNode {
  readonly #config: NodeConfig;
  readonly #log: Log;
  readonly #router = new Router<Service>();
  readonly #listing = new Listing(this.#router);
  readonly #metrics = new Metrics();
  readonly #modules: Modules;
  readonly #light: LightStore;
  readonly #carriers: Carriers;
  readonly #processes: ProcessSystem;
  readonly #serviceProcesses: ServiceProcesses;
  readonly #actors: Actors;
  readonly #ledger: Ledger;
  readonly #dispatch: Dispatch;
  readonly #supervision: Supervision;
  readonly #registry: Registry;
  readonly #reload: Reload;
  readonly #admin: Admin;
  readonly #listeners: Listeners;
  /** Requests refused before or instead of reaching a service. */
  readonly #refused = new Map<ErrorCode, number>();
  #store: Store | null = null;
  #isReady = false;
  #fail: (zombies: readonly Zombie[]) => void = () => {};
  readonly failed = new Promise<readonly Zombie[]>((resolve) => {
    this.#fail = resolve;
  });
  #draining: Promise<{ cut: number }> | null = null;
  #threadsEnd: Promise<void> | null = null;

  /** Makes every part, each of those before it. Nothing runs before `start`. */
  constructor(loaded: LoadedConfig, log: Log, reread: Reread | null, token: string | undefined) {
    const { config } = loaded;
    const { limits } = config;
    const router = this.#router;
    this.#config = config;
    this.#log = log;
    this.#modules = new Modules({
      threads: COMPILE_THREADS,
      cacheBytesMax: limits.code_bytes,
      modulesMax: limits.modules,
    });
    this.#light = new LightStore({
      data: config.store.data,
      store: () => (this.#store as Store).light,
      isDeclared: (digest) => this.#registry.declares(digest),
    });
    const carriers = new Carriers({
      threadsMax: limits.carriers,
      spares: limits.spare,
      graceMs: LATE_MS,
      zombieMs: limits.zombie_after,
      filesMax: guestFilesMax(limits.carriers),
      lightInstancesMax: INSTANCES_MAX - limits.instances,
    });
    this.#carriers = carriers;
    const pids = new Pids(carriers.bellBlock, 0);
    const shareMax = Math.max(1, Math.floor(limits.carriers * limits.share));
    this.#processes = new ProcessSystem({
      carriers,
      modules: this.#modules,
      cache: this.#light,
      limits,
      nameServers: config.dns.servers,
      log,
      share: { max: shareMax, isContended: () => this.#actors.waiting > 0 },
    });
    const processes = this.#processes.ofServices({
      carriers,
      log,
      modules: this.#modules,
      bytes: (digest) => this.#registry.moduleBytes(digest),
      limits: ({ policy }) => this.#registry.limitsOf(policy),
      givenBytesMax: limits.code_bytes,
      onLight: (pool) => this.#actors.renew(pool),
    });
    this.#serviceProcesses = processes;
    this.#actors = new Actors({
      carriers,
      pids,
      log,
      load: (pool) => this.#registry.load(pool),
      givesWay: (pool, compiled) => processes.givesWay(pool, compiled),
      environmentOf: (actor, carrier, compiled) => processes.environmentOf(actor, carrier, compiled),
      onCarrierGone: (carrier, why) => this.#processes.server.carrierGone(carrier, why),
      sharedMax: availableParallelism(),
      shareMax,
      instancesMax: limits.instances,
    });
    this.#ledger = new Ledger(pids, log);
    this.#dispatch = new Dispatch({ carriers, ledger: this.#ledger, actors: this.#actors, processes, log });
    const supervision = new Supervision({
      parts: this.#parts(),
      groups: config.supervisors,
      actors: this.#actors,
      serviceOf: (prefix) => router.get(prefix),
      onReport: (report) => {
        const text = `supervisor ${report.supervisor}: ${report.context}`;
        log.limited("warn", `${text} ${report.offender.id}`, { report }, text);
      },
      onPoolGone: (pool) => processes.close(pool),
      onBroken: (service, error) => this.#dispatch.queues.failAll(service.pool, error),
    });
    this.#supervision = supervision;
    this.#registry = new Registry({
      config,
      log,
      router,
      modules: this.#modules,
      sources: sourcesOf(config),
      replacement: new Replacement({ router, metrics: this.#metrics, dispatch: this.#dispatch, supervision }),
    });
    this.#reload = new Reload({ registry: this.#registry, supervision, log, loaded, reread });
    const auth = authOf(config, token);
    this.#admin = new Admin({ verbs: this, auth, log, moduleBytesMax: limits.module_bytes });
    this.#listeners = this.#makeListeners();
    this.#registerGauges();
  }

  get addresses(): RunningNode["addresses"] {
    return this.#listeners.addresses;
  }

  async start(): Promise<void> {
    this.#actors.open({ outcomes: this.#supervision, dispatch: this.#dispatch });
    try {
      await this.#supervision.start();
    } catch (thrown) {
      // Where an earlier part failed, the part that has the threads did not start, and so was not stopped either.
      await this.#stopThreads();
      throw thrown;
    }
    this.#isReady = true;
    this.#serviceProcesses.begin(this.#router.targets());
  }

  drain(): Promise<{ cut: number }> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  // --- Verbs: what admin and the command line ask. ---

  add: Verbs["add"] = (options) => this.#registry.add(options);
  remove: Verbs["remove"] = (prefix) => this.#registry.remove(prefix);
  rollback: Verbs["rollback"] = (prefix, version) => this.#registry.rollback(prefix, version);

  list: Verbs["list"] = (page) => this.#listing.page(page);

  describe: Verbs["describe"] = (prefix) => {
    const service = this.#router.get(prefix);
    if (service === undefined) throw new FrenezuloError("unknown_service", { service: prefix });
    return serviceDetail(service, this.#registry);
  };

  tree: Verbs["tree"] = () => treeView(this.#supervision.view(), this.#actors.byId);
  reload: Verbs["reload"] = () => this.#reload.run();
  isReady: Verbs["isReady"] = () => this.#isReady && this.#carriers.canRun;
  metrics: Verbs["metrics"] = () => this.#metrics.render();

  // --- Parts, start and stop. ---

  #makeListeners(): Listeners {
    const { limits } = this.#config;
    const front = {
      router: this.#router,
      ledger: this.#ledger,
      dispatch: this.#dispatch,
      admin: this.#admin,
      inFlightMax: limits.in_flight,
      requestIds: new RequestIds(),
      onRefused: (code: ErrorCode) => void this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1),
    };
    return new Listeners({
      config: this.#config,
      makeFront: (listener, { arrivals }) => new NodeFront({ listener, arrivals, ...front }),
      log: this.#log,
    });
  }

  #registerGauges(): void {
    registerGauges(this.#metrics, {
      carriers: this.#carriers,
      ledger: this.#ledger,
      dispatch: this.#dispatch,
      actors: this.#actors,
      supervision: this.#supervision,
      router: this.#router,
      log: this.#log,
      refused: this.#refused,
      room: this.#listeners.room,
      connections: () => this.#listeners.connections,
      sockets: () => this.#processes.networking.sockets,
      environments: this.#processes.environments,
    });
  }

  /** In start order; they stop in reverse (docs/design/supervision.md). */
  #parts(): Parts {
    const { store } = this.#config;
    return new Map<string, NodePart | typeof SERVICES>([
      [
        "store",
        {
          start: async () => {
            this.#store = await Store.open({ folder: store.data, mapBytes: store.map_size, keep: store.versions });
          },
          stop: async () => this.#store?.close(),
        },
      ],
      [
        "carriers",
        {
          start: () => this.#openCarriers(),
          stop: () => this.#stopThreads(),
        },
      ],
      [SERVICES, SERVICES],
      [
        "routes",
        {
          start: () => this.#registry.open(this.#store as Store).then(() => this.#light.prune()),
          stop: async () => {},
        },
      ],
      ["acceptor", { start: () => this.#listeners.open(), stop: () => this.#listeners.close() }],
    ]);
  }

  #openCarriers(): Promise<void> {
    return this.#carriers.open({
      events: this.#dispatch,
      onMetrics: (bytes) => this.#metrics.guest.take(bytes),
      onSignal: this.#processes.server.onSignal,
      onZombie: (zombie, zombies) => {
        this.#log.error({ ...zombie, zombies: zombies.length }, "a thread could not be ended");
        if (zombies.length > this.#config.limits.zombies) this.#fail(zombies);
      },
    });
  }

  /** Ends all threads and the timers that serve them. */
  #stopThreads(): Promise<void> {
    this.#dispatch.watchdog.stop();
    this.#actors.close();
    const threads = [this.#carriers, this.#modules, this.#processes];
    this.#threadsEnd ??= Promise.all(threads.map((each) => each.close())).then(() => {});
    return this.#threadsEnd;
  }

  get threadsLeft(): number {
    return this.#carriers.late;
  }

  async #drain(): Promise<{ cut: number }> {
    this.#isReady = false;
    const parts = { ledger: this.#ledger, listeners: this.#listeners, supervision: this.#supervision };
    return drain(parts, this.#config.drain);
  }
}

function sourcesOf({ sources, limits }: NodeConfig): Sources {
  const { folder = null, allow } = sources;
  return new Sources({ folder, allow, bytesMax: limits.module_bytes, timeoutMs: SOURCE_MS });
}
