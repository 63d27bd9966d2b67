// The contract between the front of the node and the admin routes.

/** Which listener a request came in by; decides what it may reach (DECISIONS 7.1). */
export type Listener = "public" | "admin";

/** The head of a request that the gate has accepted. */
export interface AdminHead {
  /** As received, e.g. "GET". */
  readonly method: string;
  /** The raw path, without its query. It is compared as it is: an escaped spelling of a route is not that route. */
  readonly path: string;
  /** The query without its "?". */
  readonly query: string;
  /** Lower-case names; every value of a repeated header, in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Address of the peer as text, "" for a unix socket. */
  readonly remoteAddress: string;
  readonly listener: Listener;
  readonly requestId: string;
}

/** A request whose body is complete. */
export interface AdminRequest extends AdminHead {
  readonly body: Uint8Array;
}

/** An answer. The acceptor leaves the body out for HEAD and 204. */
export interface AdminResponse {
  readonly status: number;
  /** Names in lower case. The front adds x-request-id. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | Uint8Array;
}

/**
 * What is known before the body is read: how much of it may come (0: none may), or the answer that refuses it, how long
 * that answer waits (ms), and whether it closes the connection.
 */
export type AdminDecision =
  | { readonly refused: false; readonly bodyBytesMax: number }
  | { readonly refused: true; readonly response: AdminResponse; readonly delayMs: number; readonly closes: boolean };

/** Where log lines go; a pino logger is one. */
export type AdminLog = Readonly<
  Record<"debug" | "info" | "warn" | "error", (fields: Readonly<Record<string, unknown>>, text: string) => void>
>;
