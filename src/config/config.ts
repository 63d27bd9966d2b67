// THE table of settings: type, unit, default, range, reason. Types, validation, defaults, help, docs, JSON Schema come
// from it. In memory durations are ms (Infinity = "never") and sizes bytes; names are those of frenezulo.toml.
import { dirs } from "./dirs.ts";
import { address, digest, filePath, host, name, token, variable } from "./forms.ts";
import { bool, duration, durationOr, float, int, list, map, oneOf, size, text } from "./kinds.ts";
import { COMPILE_THREADS, cores, THREADS_MAX, threadsDefault } from "./machine.ts";
import { optional, path, secret, withFlag } from "./modifiers.ts";
import { grantTable, nameServer, networkTable } from "./network.ts";
import { fill, type PartOf, type ValuesOf } from "./table.ts";

const million = 1_000_000;

/** What a user tunes for a service: [defaults], [services.NAME] and the `policy` of the admin API. */
export const policyTable = {
  state: oneOf("fresh", ["fresh", "kept"], "fresh: each request meets an instance like new; kept: its state stays."),
  supervisor: text("services", name, "The supervisor ([supervisors.NAME]) whose strategy it is under."),
  restart: oneOf(
    "permanent",
    ["permanent", "transient", "temporary"],
    "Which exits of its actors are restarted (OTP).",
  ),
  shutdown: durationOr("5s", ["brutal_kill"], ["0s", "never"], "How long a stopping actor may finish its request."),
  max_restarts: int(5, [0, 10_000], "More restarts than this within max_seconds: its supervisor gives up."),
  max_seconds: int(30, [1, 86_400], "The window of max_restarts, in seconds."),
  backoff: {
    min: duration("100ms", ["1ms", "1h"], "Wait before the first restart, and before a broken service's first trial."),
    max: duration("30s", ["1ms", "24h"], "The wait grows no longer than this."),
    factor: float(2, [1, 100], "By how much the wait grows each time."),
    jitter: float(0.2, [0, 1], "Share of the wait that is random, so that services do not restart in step."),
  },
  count_traps: bool(false, "Count traps as restarts. By default a trap costs its own request only."),
  snapshot_entropy: bool(
    false,
    "Reset to an image taken after start-up code used a clock or randomness: every request sees the same of it.",
  ),
  significant: bool(false, "Its end counts for its supervisor's auto_shutdown (OTP); not with restart permanent."),
  placement: oneOf(
    "auto",
    ["auto", "shared", "dedicated"],
    "shared: its actors share carriers with others; dedicated: a carrier each; auto: shared until busy. kept: dedicated.",
  ),
  retry: oneOf(
    "never",
    ["never", "idempotent"],
    "idempotent: a begun GET, HEAD, PUT, DELETE or OPTIONS may run once more when its carrier died under it.",
  ),
  limits: {
    memory: size("32MiB", ["64KiB", "256MiB"], "Memory of an instance; written into the module."),
    table: int(32_768, [0, 100_000], "Entries of an instance's tables, all together; they live in the host's heap."),
    deadline: duration("5s", ["1ms", "24h"], "From begin to reply; beyond it 504, and the carrier is replaced."),
    start_deadline: duration("5s", ["1ms", "1h"], "Instantiation and start functions."),
    queue_timeout: duration("5s", ["1ms", "24h"], "From when a request is whole to its begin; beyond it 503."),
    body_in: size("1MiB", ["0B", "256MiB"], "A request's body; beyond it 413."),
    body_out: size("8MiB", ["0B", "256MiB"], "A reply's body; beyond it 502."),
    concurrency: int(64, [1, 100_000], "Requests that run or wait in a carrier at once."),
    queue: int(256, [0, 100_000], "Requests that wait for their turn beyond these; beyond them 429."),
    output_request: size("64KiB", ["0B", "16MiB"], "stdout and stderr of a request; more is dropped and counted."),
    output_request_lines: int(1_000, [0, million], "Lines of it; what is over in one write is joined to one line."),
    output_second: size("1MiB", ["0B", "64MiB"], "stdout and stderr of the service in a second; the rest is dropped."),
    output_second_lines: int(10_000, [0, million], "Lines of the service's output in a second; the rest is dropped."),
  },
  scale: {
    min: int(0, [0, 512], "Actors kept running without requests."),
    max: int(8, [1, 512], "Actors at once. 1 for a kept service that says nothing: each actor has a state of its own."),
    idle_timeout: duration("1m", ["100ms", "never"], "An idle actor ends after this. never for kept, unless stated."),
    window: duration(
      "1m",
      ["100ms", "1h"],
      "No fewer actors are kept than were busy at once in this window (at most idle_timeout).",
    ),
    pressure: {
      depth: int(64, [1, 100_000], "More requests waiting for each actor than this: one more is started."),
      wait: duration("20ms", ["1ms", "1h"], "A longer expected wait than this: one more is started."),
    },
  },
  light: oneOf(
    "auto",
    ["auto", "always", "never"],
    "Whether its module is rewritten, so that what waits leaves its carrier to others. auto: if it can spawn processes.",
  ),
  processes: {
    max: int(10_000, [0, 1_000_000], "Processes that its guests may have spawned at once; beyond it a spawn fails."),
    memory: size(
      "1GiB",
      ["0B", "64GiB"],
      "Memory of all of them and of what the host keeps for them; beyond it a spawn fails, and who sends or grows ends.",
    ),
    mailbox: int(10_000, [1, million], "Messages that may wait for one process; beyond it the sender waits."),
    mailbox_bytes: size("8MiB", ["1KiB", "256MiB"], "Bytes of them."),
    send_timeout: duration("5s", ["1ms", "1h"], "A sender that waits longer for room in a mailbox traps."),
    compile: bool(false, "Guests may compile modules that they give (lunatic::process.compile_module)."),
  },
  breaker: {
    failures: int(10, [1, million], "Failures within the window before the breaker may open …"),
    ratio: float(0.5, [0.01, 1], "… if they are at least this share of the requests."),
    window: duration("10s", ["100ms", "1h"], "The window over which both are counted."),
  },
  env: map(variable, "Environment variables of the service's guests."),
  network: networkTable,
  dirs: dirs(
    true,
    "Directories its guests may use (WASI preopens), relative to this file; :ro for reading only. By the API: admin.dirs.",
  ),
};

/** Policy of one service, in the shape of the file; durations are ms (Infinity = "never"), sizes bytes. */
export type Policy = ValuesOf<typeof policyTable>;
export type PolicyPart = PartOf<typeof policyTable>;

/** [supervisors.NAME]: a group of services. */
export const supervisorTable = {
  strategy: oneOf(
    "one_for_one",
    ["one_for_one", "one_for_all", "rest_for_one"],
    "Which of its children restart when one fails (OTP).",
  ),
  max_restarts: int(5, [0, 10_000], "More restarts than this within max_seconds: it gives up."),
  max_seconds: int(30, [1, 86_400], "The window of max_restarts, in seconds."),
  parent: optional(text("", name, "The supervisor above it; none: the root of services.")),
  auto_shutdown: oneOf(
    "never",
    ["never", "any_significant", "all_significant"],
    "Whether the end of significant services ends it (OTP).",
  ),
  order: list(name, "Its children in starting order; those not named follow in the order of the file."),
};
export type SupervisorConfig = ValuesOf<typeof supervisorTable>;

/** What [services.NAME] has beside a policy. */
export const serviceTable = {
  source: optional(
    path(text("", filePath, "The module: a path (relative to this file), a file: URL or an http(s) URL. Needed.")),
  ),
  sha256: optional(text("", digest, "sha256 of the module; another one is refused.")),
};

/** The node's own settings. */
export const nodeTable = {
  listen: {
    address: withFlag("listen", text("127.0.0.1:3000", address, "Where services are served. Port 0: any free one.")),
    http: oneOf("uws", ["uws", "node"], "The HTTP implementation: uWebSockets.js, or Node's own (portable, slower)."),
    connections: int(10_000, [1, million], "Connections at once on each listener; 3-6 KiB each, and a descriptor."),
    idle_timeout: duration("10s", ["1s", "1h"], "A kept connection without a request is closed after this."),
    write_idle: duration(
      "30s",
      ["1s", "1h"],
      "Who takes nothing of an answer for this long is cut; how that is seen: docs/guide/operate.md.",
    ),
    write_timeout: duration("never", ["1s", "never"], "So is who has not taken all of it within this."),
    body_idle: duration("30s", ["1s", "1h"], "A body of which nothing comes for this long gets 408."),
    body_timeout: duration("never", ["1s", "never"], "So does one that is not complete within this."),
    rate_min: size("1KiB", ["1B", "1GiB"], "Bytes a second; who is slower in the mean counts as standing still."),
    tls: {
      cert: optional(path(text("", filePath, "Certificate chain (PEM); with it and the key the listener speaks TLS."))),
      key: optional(path(text("", filePath, "Private key (PEM)."))),
    },
  },
  admin: {
    listen: withFlag("admin-listen", optional(text("", address, "An address of its own for the admin routes."))),
    token: optional(secret(text("", token, "Token for the admin routes; better in the environment or in a file."))),
    token_file: optional(path(text("", filePath, "File with the token; only its owner may have access (0600)."))),
    public: bool(false, "Serve the admin routes on a public listener that is not loopback. Needs a token."),
    dirs: dirs(
      false,
      "Directories that a policy given by the API may name in dirs, with all below them; D:ro: for reading only.",
    ),
    network: grantTable,
  },
  store: {
    data: withFlag("data", path(text("data", filePath, "Folder of the store. One node at a time."))),
    versions: int(5, [1, 1_000], "Versions kept for each service."),
    map_size: size("1GiB", ["1MiB", "64GiB"], "What modules and rows may take together; beyond it 507."),
  },
  sources: {
    folder: optional(
      path(text("", filePath, "Folder under which file: URLs of the admin API may lie; none: refused.")),
    ),
    allow: list(host, "Hosts from which modules may be loaded by URL; empty: none."),
  },
  dns: {
    servers: list(nameServer, "Name servers that guests' names are looked up with; empty: those of /etc/resolv.conf."),
  },
  limits: {
    in_flight: int(4_096, [1, million], "Requests in the node at once; beyond it 503."),
    bodies: int(4_096, [1, million], "Request bodies that come in at once; beyond it 503. They count for it alone."),
    body_bytes: size(
      "64MiB",
      ["64KiB", "16GiB"],
      "Bytes of request bodies in memory at once; reading pauses above it.",
    ),
    bodies_source: float(0.25, [0.01, 1], "Part of both for one address (IPv6: /64); behind a proxy, which is one: 1."),
    bodies_service: float(0.5, [0.01, 1], "Part of both for one service."),
    unsent_bytes: size(
      "512MiB",
      ["1MiB", "64GiB"],
      "Bytes of answers that clients have not taken; beyond it requests wait, and the slowest clients are cut.",
    ),
    unsent_service: float(0.25, [0.01, 1], "Part of it for the answers of one service."),
    module_bytes: size(
      "32MiB",
      ["1KiB", "256MiB"],
      "A module; beyond it 413. Compiled it takes about five times that.",
    ),
    compile: duration("2s", ["10ms", "10m"], "Compiling a module; the worst of the hostile ones measured took 0.6s."),
    rewrite: duration("10m", ["1s", "24h"], "Rewriting a module for light processes, which gives way to all else."),
    rewrite_bytes: size("8MiB", ["1KiB", "64MiB"], "Larger modules are not rewritten for light processes."),
    carriers: int(
      { text: "min(4 × cores, 64) − 2", of: () => threadsDefault - COMPILE_THREADS },
      [1, THREADS_MAX - COMPILE_THREADS],
      "Threads that run guests; each takes 5-8 MiB, 4 descriptors and 45 mappings. 2 more compile modules.",
    ),
    zombies: int(
      { text: "max(1, cores / 2)", of: () => Math.max(1, Math.floor(cores / 2)) },
      [0, 512],
      "Threads that could not be ended; with more the node drains and exits with a failure, to be started again.",
    ),
    zombie_after: duration(
      "5s",
      ["100ms", "1h"],
      "CPU time after which a thread that was told to end is a zombie; where it is blocked, three times as long.",
    ),
    spare: int(
      { text: "cores", of: () => cores },
      [0, 512],
      "Warm carriers in reserve, at most all of them; starting one takes 42-71 ms.",
    ),
    share: float(0.25, [0.01, 1], "Part of the carriers that one service may hold while others wait for one."),
    instances: int(
      4_096,
      [1, 12_000],
      "Instances in the process; each reserves 10 GiB of addresses, 13,000 is the end.",
    ),
    modules: int(1_024, [1, 10_000], "Compiled modules in memory; the least recently used go first."),
    code_bytes: size("256MiB", ["1MiB", "2GiB"], "Bytes of compiled modules; V8 aborts at 4095 MiB of machine code."),
  },
  drain: {
    grace: duration("0s", ["0s", "10m"], "From readyz 503 to closed listeners: time for a load balancer to look away."),
    deadline: duration("8s", ["0s", "24h"], "In-flight requests are cut after this. Docker kills after 10s."),
  },
  log: {
    level: oneOf("info", ["debug", "info", "warn", "error"], "The least level that is written."),
    format: oneOf("auto", ["auto", "json", "pretty"], "auto: pretty on a terminal, otherwise one JSON object a line."),
  },
};

/** All that frenezulo.toml may hold. */
export const fileTable = {
  ...nodeTable,
  defaults: policyTable,
  supervisors: { each: supervisorTable },
  services: { each: { ...serviceTable, ...policyTable } },
};

/** A service declared in the file. */
export interface ServiceConfig {
  /** An absolute path, or a URL. */
  readonly source: string;
  readonly sha256: string | undefined;
  readonly policy: Policy;
  /** "file:line", for errors and for the origin of the service. */
  readonly where: string;
}

/** The effective settings of a node. */
export type NodeConfig = ValuesOf<typeof nodeTable> & {
  /** The policy of a service that states nothing. */
  readonly defaults: Policy;
  readonly supervisors: ReadonlyMap<string, SupervisorConfig>;
  readonly services: ReadonlyMap<string, ServiceConfig>;
};

export const defaultPolicy: Policy = fill(policyTable, []);

/** The name of the group that is always there. */
export const defaultSupervisor = defaultPolicy.supervisor;
