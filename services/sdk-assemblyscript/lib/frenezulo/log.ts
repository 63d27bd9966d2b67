// Lines for the service's log: standard output and standard error of the process, through WASI's fd_write.
import { fdWrite } from "./host";

export enum Level {
  Debug,
  Info,
  Warn,
  Error,
}

/** Pointer and length of the bytes to write, then the word in which the host returns how many it took. */
const vector = memory.data(12, 4);

/**
 * Writes one line. Debug and Info go to standard output, Warn and Error to standard error; all but Info are marked with
 * the level's name. The node limits what a request and a service may write and escapes control characters.
 */
export function log(text: string, level: Level = Level.Info): void {
  let line = text + "\n";
  if (level == Level.Debug) line = "debug: " + line;
  else if (level == Level.Warn) line = "warn: " + line;
  else if (level == Level.Error) line = "error: " + line;
  const bytes = String.UTF8.encode(line);
  writeBytes(level >= Level.Warn ? 2 : 1, changetype<usize>(bytes), bytes.byteLength);
}

/** Writes bytes to descriptor 1 or 2. A descriptor that takes nothing more loses the rest: a log must not fail a request. */
export function writeBytes(fd: u32, from: usize, length: u32): void {
  while (length > 0) {
    store<u32>(vector, <u32>from);
    store<u32>(vector, length, 4);
    if (fdWrite(fd, vector, 1, vector + 8) != 0) return;
    const written = load<u32>(vector, 8);
    if (written == 0 || written > length) return;
    from += written;
    length -= written;
  }
}
