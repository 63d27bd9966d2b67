// The end of a node in order: what is in flight is answered, then the tree stops in reverse (DECISIONS 7.3).
import type { NodeConfig } from "../config/config.ts";
import type { Ledger } from "../requests/ledger.ts";
import type { Supervision } from "../supervision/supervision.ts";
import { sleep } from "../timer.ts";
import type { Listeners } from "./listeners.ts";

const POLL_MS = 10;

export interface DrainParts {
  readonly ledger: Ledger;
  readonly listeners: Listeners;
  readonly supervision: Supervision;
}

/** Settings [drain]. @returns how many requests were cut at the deadline */
export async function drain(parts: DrainParts, settings: NodeConfig["drain"]): Promise<{ cut: number }> {
  const { ledger, listeners, supervision } = parts;
  await sleep(settings.grace);
  ledger.isDraining = true;
  listeners.stopListening();
  const endMs = performance.now() + settings.deadline;
  while (ledger.size > 0 && performance.now() < endMs) await sleep(POLL_MS);
  const cut = ledger.size;
  // Actors that work on after their reply have what is left of the time; the deadline caps `infinity` (DECISIONS 8.2).
  const timer = setTimeout(() => supervision.killServices(), Math.max(0, endMs - performance.now()));
  await supervision.stop();
  clearTimeout(timer);
  return { cut };
}
