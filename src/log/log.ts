// The node's log: pino's lines to standard output, never blocking, bounded against whoever would flood it.
import { isatty } from "node:tty";
import { pino } from "pino";
import { escapeControls } from "../../wire/escape.ts";
import { errorTable, type FrenezuloError, type LogLevel } from "../errors.ts";
import { LogDestination } from "./destination.ts";
import { GuestTime } from "./guest-time.ts";
import { prettyLine } from "./pretty.ts";
import { LogRate } from "./rate.ts";

export type LogFields = Readonly<Record<string, unknown>>;
/** Lines of one piece of a guest's text between two looks at what they may cost. */
const LINES_A_LOOK = 32;

type LogLine = (fields: LogFields, text: string) => void;

export interface Log {
  /** As `limited`, a kind for each service and text. */
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  /** What a guest can bring about at will: of a kind that comes often most lines are only counted (`suppressed`). */
  limited(level: LogLevel, kind: string, fields: LogFields, text: string): void;
  /** A failure, at its level of the error table; limited, a kind for each service and code. */
  failure(error: FrenezuloError, fields: LogFields & { readonly service?: string }): void;
  /**
   * A log line for each line of what a guest wrote, as its carrier gives it: bounded, control characters escaped.
   * What would take more than its share of the thread's time is dropped and counted.
   * @param stream 1 standard output, 2 standard error
   */
  guest(service: string, stream: number, bytes: Buffer): void;
  /** Lines dropped since the start: nobody read them, or guests had written too many. */
  readonly dropped: number;
  /** Resolves when everything is written, or after `ms`. Before process.exit(). */
  flush(ms: number): Promise<void>;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** auto: pretty on a terminal. */
  readonly format: "auto" | "json" | "pretty";
  /** Descriptor, by default standard output. */
  readonly descriptor?: number;
  readonly isTerminal?: boolean;
  /** ms of a monotonic clock. */
  readonly now?: () => number;
}

export function openLog(options: LogOptions): Log {
  const { descriptor = 1, now = () => performance.now() } = options;
  const isTerminal = options.isTerminal ?? isatty(descriptor);
  const destination = LogDestination.ofDescriptor(descriptor, (lines) =>
    log.warn({ lines }, "log lines were dropped because nobody read them"),
  );
  const isPretty = options.format === "pretty" || (options.format === "auto" && isTerminal);
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line) => destination.write(isPretty ? prettyLine(line) : line) },
  );
  const rate = new LogRate();
  const time = new GuestTime();
  let guestLinesDropped = 0;
  const dropGuestLines = (service: string, lines: number): void => {
    guestLinesDropped += lines;
    log.limited("warn", `${service} output`, { service }, "lines of the service were dropped: guests write too many");
  };
  const log: Log = {
    debug: (fields, text) => log.limited("debug", `${fields.service ?? ""} ${text}`, fields, text),
    info: (fields, text) => logger.info(fields, text),
    warn: (fields, text) => logger.warn(fields, text),
    error: (fields, text) => logger.error(fields, text),
    limited(level, kind, fields, text) {
      if (!logger.isLevelEnabled(level)) return;
      const admitted = rate.admit(kind, now());
      if (admitted === undefined) return;
      const suppressed = admitted.suppressed > 0 ? { suppressed: admitted.suppressed } : {};
      logger[level]({ ...fields, ...suppressed }, escapeControls(text));
    },
    failure(error, fields) {
      const { level } = errorTable[error.code];
      const cause = level === "error" && error.cause instanceof Error ? { cause: error.cause.stack } : {};
      const kind = `${fields.service ?? ""} ${error.code}`;
      log.limited(level, kind, { ...fields, code: error.code, ...cause }, error.message);
    },
    guest(service, stream, bytes) {
      if (!logger.isLevelEnabled("info")) return;
      const lines = bytes.toString("utf8").replace(/\n$/, "").split("\n");
      const fields = { service, stream: stream === 1 ? "stdout" : "stderr" };
      for (let at = 0; at < lines.length; at += LINES_A_LOOK) {
        if (destination.isFull) return destination.drop(lines.length - at);
        if (!time.admits(service, now())) return dropGuestLines(service, lines.length - at);
        const some = lines.slice(at, at + LINES_A_LOOK);
        for (const line of some) logger.info(fields, line);
        time.spend(service, some.length, (bytes.length * some.length) / lines.length);
      }
    },
    get dropped() {
      return destination.dropped + guestLinesDropped;
    },
    flush: (ms) => destination.flush(ms),
  };
  return log;
}
