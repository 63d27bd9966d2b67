// lunatic's host functions by import module (lunatic-abi.md §1).

import { errorFunctions } from "../error.ts";
import type { Host, HostFunctions } from "../host.ts";
import { networkingFunctions } from "../networking/networking.ts";
import { socketMessageFunctions } from "../networking/socket-messages.ts";
import { sqliteFunctions } from "../sqlite/sqlite.ts";
import { configFunctions, wasiConfigFunctions } from "./config.ts";
import { distributedFunctions } from "./distributed.ts";
import { messageFunctions } from "./message.ts";
import { metricsFunctions } from "./metrics.ts";
import { processFunctions } from "./process.ts";
import { registryFunctions } from "./registry.ts";
import { timerFunctions } from "./timer.ts";
import { trapFunctions } from "./trap.ts";

const VERSION = { major: 0, minor: 13, patch: 2 } as const;

export function lunaticFunctions(host: Host): Record<string, HostFunctions> {
  return {
    "lunatic::message": { ...messageFunctions(host), ...socketMessageFunctions(host) },
    "lunatic::networking": networkingFunctions(host),
    "lunatic::distributed": distributedFunctions(host),
    "lunatic::sqlite": sqliteFunctions(host),
    "lunatic::process": { ...processFunctions(host), ...configFunctions(host) },
    "lunatic::registry": registryFunctions(host),
    "lunatic::timer": timerFunctions(host),
    "lunatic::trap": trapFunctions(host),
    "lunatic::wasi": wasiConfigFunctions(host),
    "lunatic::error": errorFunctions(host),
    "lunatic::metrics": metricsFunctions(host),
    "lunatic::version": {
      major: () => VERSION.major,
      minor: () => VERSION.minor,
      patch: () => VERSION.patch,
    },
  };
}
