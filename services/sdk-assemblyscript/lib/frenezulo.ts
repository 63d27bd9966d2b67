// What a service or program imports: `import { handle, Request, Response, log, Level } from "frenezulo"`.
import { Config } from "./frenezulo/config";
import { Request, receiveRequest } from "./frenezulo/request";
import { Response, sendResponse } from "./frenezulo/response";
import { log, Level } from "./frenezulo/log";
import { Kind, Mail, Mailbox, NEVER } from "./frenezulo/mailbox";
import { decode, encode, Reader, Writer } from "./frenezulo/pack";
import {
  catchLinks,
  lookup,
  newTag,
  Process,
  self,
  sleep,
  spawn,
  spawnLinked,
  Timer,
  unregister,
} from "./frenezulo/process";
import "./frenezulo/abort";

export { Request, Response, log, Level };
export { Process, Timer, Config, self, spawn, spawnLinked, lookup, unregister, catchLinks, sleep, newTag };
export { Mailbox, Mail, Kind, NEVER };
export { encode, decode, Reader, Writer };

/**
 * Takes the request this call of `frenezulo_main` is for, runs `handler` and sends what it returns.
 * Call it once, from the exported function `frenezulo_main`.
 */
export function handle(handler: (request: Request) => Response): void {
  const request = receiveRequest();
  sendResponse(request, handler(request));
}
