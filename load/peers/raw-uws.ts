// Peer of the benchmark: hello by uWebSockets.js alone, the floor of what any server on it can cost.
import uws from "uWebSockets.js";

uws
  .App()
  .any("/*", (response) => {
    response.writeHeader("content-type", "text/plain; charset=utf-8").end("Hello World!");
  })
  .listen("127.0.0.1", Number(process.argv[2]), (socket) => {
    if (!socket) throw new Error(`cannot listen on port ${process.argv[2]}`);
  });
process.once("SIGTERM", () => process.exit(0));
