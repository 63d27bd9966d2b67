// actors/control-order.ts with a module that imports SQLite: control calls take effect in the order they came in.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { SqliteLoaders } from "../../../actors/abi/sqlite/loader.ts";
import { ControlOrder } from "../../../actors/control-order.ts";
import { guestPath } from "../../guests/guests.ts";

const withSqlite = new WebAssembly.Module(readFileSync(guestPath("rows")));
const without = new WebAssembly.Module(readFileSync(guestPath("echo-raw")));

it("a call waits for those before it, and what needs SQLite finds it loaded, each environment its own", async () => {
  const loaders = new SqliteLoaders();
  const order = new ControlOrder(loaders);
  const done: string[] = [];
  const does = (name: string) => (): string => {
    done.push(name);
    return name;
  };
  const isLoaded = (environment: number) => (): boolean => loaders.of(environment).library !== null;
  expect(order.start(without, 1, does("at once"))).toBe("at once");
  const results = [
    order.start(withSqlite, 1, does("first")),
    order.run(does("second")),
    order.start(withSqlite, 1, isLoaded(1)),
    order.start(withSqlite, 2, isLoaded(2)),
    order.start(without, 3, does("third")),
    order.run(() => {
      throw new Error("fails alone");
    }),
    order.run(does("last")),
  ];
  expect(done).toEqual(["at once"]);
  expect(await Promise.allSettled(results)).toMatchObject([
    { value: "first" },
    { value: "second" },
    { value: true },
    { value: true },
    { value: "third" },
    { reason: { message: "fails alone" } },
    { value: "last" },
  ]);
  expect(done).toEqual(["at once", "first", "second", "third", "last"]);
  expect(order.start(withSqlite, 1, does("loaded already"))).toBe("loaded already");
  expect(order.run(does("alone"))).toBe("alone");
});
