// The node's log: pino's lines to standard output, never blocking, bounded against whoever would flood it.
import { isatty } from "node:tty";
import { pino } from "pino";
import { errorTable, type FrenezuloError, type LogLevel } from "../errors.ts";
import { LogDestination } from "./destination.ts";
import { escapeControls } from "./escape.ts";
import { prettyLine } from "./pretty.ts";
import { LogRate } from "./rate.ts";

export type LogFields = Readonly<Record<string, unknown>>;
type LogLine = (fields: LogFields, text: string) => void;

export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  /** A failure, at its level of the error table. Of a kind (service, code) that comes often most are only counted. */
  failure(error: FrenezuloError, fields: LogFields & { readonly service?: string }): void;
  /**
   * What a guest wrote as UTF-8, a log line for each of its lines, with control characters escaped.
   * @param stream 1 standard output, 2 standard error
   */
  guest(service: string, stream: number, bytes: Buffer): void;
  /** Lines dropped since the start, because nobody read them. */
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
  const log: Log = {
    debug: (fields, text) => logger.debug(fields, text),
    info: (fields, text) => logger.info(fields, text),
    warn: (fields, text) => logger.warn(fields, text),
    error: (fields, text) => logger.error(fields, text),
    failure(error, fields) {
      const { level } = errorTable[error.code];
      if (!logger.isLevelEnabled(level)) return;
      const admitted = rate.admit(`${fields.service ?? ""} ${error.code}`, now());
      if (admitted === undefined) return;
      const cause = level === "error" && error.cause instanceof Error ? { cause: error.cause.stack } : {};
      const suppressed = admitted.suppressed > 0 ? { suppressed: admitted.suppressed } : {};
      logger[level]({ ...fields, code: error.code, ...suppressed, ...cause }, escapeControls(error.message));
    },
    guest(service, stream, bytes) {
      if (!logger.isLevelEnabled("info")) return;
      const fields = { service, stream: stream === 1 ? "stdout" : "stderr" };
      const text = bytes.toString("utf8").replace(/\r?\n$/, "");
      for (const line of text.split(/\r?\n/)) logger.info(fields, escapeControls(line));
    },
    get dropped() {
      return destination.dropped;
    },
    flush: (ms) => destination.flush(ms),
  };
  return log;
}
