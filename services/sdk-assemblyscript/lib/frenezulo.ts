// What a service imports: `import { handle, Request, Response, log, Level } from "frenezulo"`.
import { Request, receiveRequest } from "./frenezulo/request";
import { Response, sendResponse } from "./frenezulo/response";
import { log, Level } from "./frenezulo/log";
import "./frenezulo/abort";

export { Request, Response, log, Level };

/**
 * Takes the request this call of `frenezulo_main` is for, runs `handler` and sends what it returns.
 * Call it once, from the exported function `frenezulo_main`.
 */
export function handle(handler: (request: Request) => Response): void {
  const request = receiveRequest();
  sendResponse(request, handler(request));
}
