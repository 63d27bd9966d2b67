// The databases of one process: its connections and statements, by number; closed with it.
import { type Keep, ResourceTable } from "../../processes/resources.ts";
import type { Directories } from "./directories.ts";
import type { Library } from "./library.ts";

/** A prepared statement: SQLite's pointer, and its connection's. */
export interface Statement {
  readonly pointer: number;
  readonly db: number;
}

export class Databases {
  readonly library: Library;
  readonly directories: Directories;
  /** SQLite's pointers. */
  readonly connections: ResourceTable<number>;
  readonly statements: ResourceTable<Statement>;

  constructor(library: Library, directories: Directories, limit: number, keep: Keep) {
    this.library = library;
    this.directories = directories;
    this.connections = new ResourceTable(limit, keep);
    this.statements = new ResourceTable(limit, keep);
  }

  /** Works for this process, whatever SQLite was at. @throws what SQLite does: then it is of no more use */
  run<T>(call: (library: Library) => T): T {
    const { library, directories } = this;
    const before = library.files.current;
    library.files.current = directories;
    try {
      return call(library);
    } catch (thrown) {
      library.isBroken = true;
      library.files.closeAll();
      throw thrown;
    } finally {
      library.files.current = before;
    }
  }

  /** The process has ended: what it had begun is rolled back. Once only: SQLite's pointers are freed. */
  closeAll(): void {
    try {
      if (!this.library.isBroken) {
        this.run(({ c }) => {
          for (const { pointer } of this.statements.values()) c.sqlite3_finalize(pointer);
          for (const db of this.connections.values()) {
            c.sqlite3_progress_handler(db, 0, 0, 0); // nothing ends it half-way
            c.sqlite3_close_v2(db);
          }
        });
      }
    } catch {
      // It is broken now; nobody is left to hear of it.
    } finally {
      this.directories.close();
    }
  }
}
