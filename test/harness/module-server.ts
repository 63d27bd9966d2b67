// A web server on loopback that modules are loaded from, with a few ways to fail.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export class ModuleServer {
  readonly #files = new Map<string, Uint8Array>();
  readonly #server = createServer((request, response) => {
    const path = request.url ?? "/";
    const bytes = this.#files.get(path);
    if (path === "/never") return; // takes the request and says nothing
    if (path === "/moved") response.writeHead(302, { location: "http://127.0.0.2:1/x.wasm" }).end();
    else if (path === "/broken") {
      response.writeHead(200, { "content-length": 1000 }).write("half");
      setTimeout(() => request.socket.destroy(), 20);
    } else if (bytes === undefined) response.writeHead(404).end("none");
    else response.writeHead(200, { "content-type": "application/wasm" }).end(bytes);
  });
  /** "http://127.0.0.1:PORT", as sources.allow wants it. */
  origin = "";

  static async start(): Promise<ModuleServer> {
    const server = new ModuleServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    server.origin = `http://127.0.0.1:${(server.#server.address() as AddressInfo).port}`;
    return server;
  }

  /** Serves bytes at a path. @returns their URL */
  serve(path: string, bytes: Uint8Array): string {
    this.#files.set(path, bytes);
    return this.origin + path;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
