// The services of the node in pages, each made while it is read.
import { randomBytes } from "node:crypto";
import type { PageOptions, ServicePage, ServiceView } from "../admin/verbs.ts";
import { FrenezuloError } from "../errors.ts";
import type { Router } from "../services/router.ts";
import type { Service } from "../services/service.ts";
import { serviceView } from "./views.ts";

/** Of a page whose size is not given. */
const PAGE = 1_000;

export class Listing {
  readonly #router: Router<Service>;
  /** The numbers of services begin anew with each start, so a cursor says of which start it is. */
  readonly #run = randomBytes(4).toString("hex");

  constructor(router: Router<Service>) {
    this.#router = router;
  }

  /** @throws bad_json for a cursor that is not of this run of the node */
  page({ limit, cursor }: PageOptions): ServicePage {
    const isPage = limit !== undefined || cursor !== undefined;
    const max = isPage ? (limit ?? PAGE) : Number.POSITIVE_INFINITY;
    const services: Service[] = [];
    let last = 0;
    for (const [number, service] of this.#router.after(this.#numberOf(cursor))) {
      if (services.length === max) return { services: views(services), next: `${this.#run}-${last}` };
      services.push(service);
      last = number;
    }
    return { services: views(services), ...(isPage && { next: null }) };
  }

  #numberOf(cursor: string | undefined): number {
    if (cursor === undefined) return 0;
    const [, run, number] = /^([0-9a-f]{8})-(\d{1,15})$/.exec(cursor) ?? [];
    if (run === this.#run) return Number(number);
    const why = "the query's cursor is not one that this node gave since it started; begin without one";
    throw new FrenezuloError("bad_json", { why });
  }
}

function* views(services: readonly Service[]): Iterable<ServiceView> {
  for (const service of services) yield serviceView(service);
}
