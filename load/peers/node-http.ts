// Peer of the benchmark: hello by node:http alone, what most people would write.
import { createServer } from "node:http";

createServer((_request, response) => {
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end("Hello World!");
}).listen(Number(process.argv[2]), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
