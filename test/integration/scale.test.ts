// The whole node: from nothing to max and back, shared and dedicated carriers, fair shares, breakers, overload.
import { afterEach, describe, expect, it } from "vitest";
import { guestPath, service, servicePath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { Bystander, HttpClient, type Reply, runLanes } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { eventually, holdsWithin, whileItRuns } from "../harness/patience.ts";
import { sleep } from "../harness/raw-http.ts";
import { actorsOf, pidsOf, supervisorIn, treeOf } from "../harness/tree-client.ts";

type Part = Readonly<Record<string, unknown>>;

let node: NodeProcess;
let admin: AdminClient;

async function start(limits: Part, services: Part, more: Part = {}): Promise<void> {
  node = await NodeProcess.start({ config: { ...more, limits, services } });
  admin = new AdminClient(node.url);
}

afterEach(async () => {
  await node.noZombies();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

const hello = (more: Part = {}): Part => ({ source: servicePath("hello"), ...more });
const slow = (more: Part = {}): Part => ({ source: guestPath("slow"), ...more });
const hostile = (more: Part = {}): Part => ({ source: guestPath("hostile"), ...more });

async function ask(path: string): Promise<Reply> {
  const client = new HttpClient(node.address);
  try {
    return await client.request(path);
  } finally {
    client.close();
  }
}

/** So many requests at once, each on a connection of its own. */
const burst = (count: number, path: string): Promise<Reply[]> =>
  Promise.all(Array.from({ length: count }, () => ask(path)));

const count = (replies: readonly Reply[], status: number): number =>
  replies.filter((each) => each.status === status).length;
const retryAfter = ({ headers }: Reply): number => Number(headers.get("retry-after"));
const carriersOf = async (prefix: string): Promise<number[]> => [...(await actorsOf(node, prefix)).values()];

describe("carriers", () => {
  it("are shared by more services than there are of them, and all answer", async () => {
    const prefixes = Array.from({ length: 40 }, (_, i) => `s${i}`);
    await start(
      { carriers: 3, spare: 1 },
      Object.fromEntries(prefixes.map((prefix) => [prefix, hello({ scale: { max: 1 } })])),
    );
    for (let round = 0; round < 3; round++) {
      await runLanes(node.address, 8, prefixes.length, async (client, i) => {
        const { status, body } = await client.request(`/${prefixes[i]}`);
        expect([status, body.toString()]).toEqual([200, "Hello World!"]);
      });
    }
    const used = new Set<number>();
    for (const prefix of prefixes) for (const carrier of await carriersOf(prefix)) used.add(carrier);
    expect(used.size).toBeLessThanOrEqual(3);
    expect(await node.metric('actors{state="ready"}')).toBe(prefixes.length);
  });

  it("of kept services are their own, and are given up for nobody", async () => {
    const kept = { source: servicePath("counter"), state: "kept" };
    await start({ carriers: 4, spare: 1 }, { k1: kept, k2: kept, ...{ a: hello(), b: hello(), c: hello() } });
    for (const prefix of ["k1", "a", "k2", "b", "c"]) expect((await ask(`/${prefix}`)).status).toBe(200);
    const own = [...(await carriersOf("k1")), ...(await carriersOf("k2"))];
    expect(new Set(own).size).toBe(2);
    for (const prefix of ["a", "b", "c"]) expect(own).not.toContain((await carriersOf(prefix))[0]);
    for (let i = 0; i < 20; i++)
      for (const prefix of ["a", "b", "c"]) expect((await ask(`/${prefix}`)).status).toBe(200);
    expect([...(await carriersOf("k1")), ...(await carriersOf("k2"))]).toEqual(own);
  });

  it("are given up by whoever has been idle longest when another needs one", async () => {
    const dedicated = hello({ placement: "dedicated" });
    await start({ carriers: 3, spare: 1 }, { a: dedicated, b: dedicated, c: dedicated, d: dedicated, e: dedicated });
    // Its actor counts as used until its guest has returned, which is after the reply.
    const use = async (prefix: string): Promise<void> => {
      expect((await ask(`/${prefix}`)).status).toBe(200);
      await eventually(
        async () => (await admin.describe(prefix)).actors.map(({ state }) => state).join(),
        (states) => states === "idle",
      );
    };
    for (const prefix of ["a", "b", "c", "a"]) await use(prefix); // b is the oldest now
    const warm = async (): Promise<string[]> =>
      (await admin.list()).filter(({ status }) => status === "warm").map(({ prefix }) => prefix);
    expect(await warm()).toEqual(["a", "b", "c"]);
    await use("d");
    expect(await warm()).toEqual(["a", "c", "d"]);
    await use("e");
    expect(await warm()).toEqual(["a", "d", "e"]);
  });

  /** Services that share all the carriers there are, each with an idle actor that is not reaped for a minute. */
  const sharers = Object.fromEntries(["s1", "s2", "s3"].map((prefix) => [prefix, slow({ placement: "shared" })]));
  const shareAll = async (): Promise<void> => {
    // Each is busy until all have their carriers.
    let isOver = false;
    const busy: Promise<void>[] = [];
    for (const prefix of Object.keys(sharers)) {
      await node.metricSettles('carriers{state="spare"}', (spare) => spare === 1);
      const lane = async (): Promise<void> => {
        while (!isOver) expect((await ask(`/${prefix}?do=sleep&ms=200`)).status).toBe(200);
      };
      busy.push(lane());
      await eventually(
        () => carriersOf(prefix),
        (carriers) => carriers.length === 1,
      );
    }
    isOver = true;
    await Promise.all(busy);
    expect(new Set((await Promise.all(Object.keys(sharers).map(carriersOf))).flat()).size).toBe(3);
  };

  it.each([
    ["dedicated", hello({ placement: "dedicated" })],
    ["kept", hello({ state: "kept" })],
  ])("that are all shared by idle services are given up to one that is %s", async (_, own) => {
    await start({ carriers: 3, spare: 1 }, { ...sharers, own });
    await shareAll();
    expect((await ask("/own")).status).toBe(200);
    const [carrier] = await carriersOf("own");
    for (const prefix of Object.keys(sharers)) {
      expect((await ask(`/${prefix}?ms=1`)).status).toBe(200);
      expect(await carriersOf(prefix)).not.toContain(carrier);
    }
    expect(await carriersOf("own")).toEqual([carrier]);
  });

  it("that are all shared by idle services do not keep a busy one from its requests, nor from its own", async () => {
    await start({ carriers: 3, spare: 1 }, { ...sharers, busy: hello() });
    await shareAll();
    let isOver = false;
    const beside = runLanes(node.address, 4, 4, async (client) => {
      while (!isOver) expect((await client.request("/busy")).status).toBe(200);
    });
    const others = async (): Promise<number[]> => (await Promise.all(Object.keys(sharers).map(carriersOf))).flat();
    await eventually(
      async () => [await carriersOf("busy"), await others()] as const,
      ([own, shared]) => own.length > 0 && own.every((carrier) => !shared.includes(carrier)),
    );
    for (const prefix of Object.keys(sharers)) expect((await ask(`/${prefix}?ms=1`)).status).toBe(200);
    isOver = true;
    await beside;
  });

  it("a service gets its own once it is hot, and shares again when it was reaped", async () => {
    const scale = { idle_timeout: "400ms", window: "400ms" };
    await start({ carriers: 6, spare: 1 }, { hot: slow({ scale: { ...scale, max: 1 } }), cold: hello() });
    expect((await ask("/cold")).status).toBe(200);
    expect((await ask("/hot?ms=1")).status).toBe(200);
    const isOwn = async (): Promise<boolean> => {
      await Promise.all([burst(4, "/hot?do=spin&ms=40"), ask("/cold")]);
      const [own] = await carriersOf("hot");
      return own !== undefined && !(await carriersOf("cold")).includes(own);
    };
    await eventually(isOwn, (own) => own);
    await eventually(
      () => pidsOf(node, "hot"),
      (pids) => pids.length === 0,
    );
    expect((await admin.describe("hot")).status).toBe("cold");
    expect((await ask("/hot?ms=1")).status).toBe(200);
  });
});

describe("a looping co-tenant", () => {
  const looping = hostile({ limits: { deadline: "6s" }, max_restarts: 1000, placement: "shared" });
  const quiet = hello({ placement: "shared", scale: { max: 1 }, limits: { queue_timeout: "5s" } });

  it("delays the others of its carrier, but none of their requests fails", async () => {
    const prefixes = ["q0", "q1", "q2", "q3"];
    await start({ carriers: 4, spare: 1 }, { noisy: looping, ...Object.fromEntries(prefixes.map((p) => [p, quiet])) });
    for (const prefix of [...prefixes, "noisy"]) expect((await ask(`/${prefix}`)).status).toBe(200);
    const beside = prefixes.map((prefix) => new Bystander(node.address, `/${prefix}`, "Hello World!", 1));
    for (let i = 0; i < 2; i++) expect((await ask("/noisy?do=loop")).status).toBe(504);
    for (const each of beside) await each.stop();
    expect(beside.map(({ failures }) => failures)).toEqual(prefixes.map(() => []));
  });

  it("whose deadline is longer than they may wait: they move to another carrier", async () => {
    await start({ carriers: 3, spare: 1 }, { noisy: { ...looping, limits: { deadline: "7s" } }, quiet });
    for (const prefix of ["noisy", "quiet", "noisy"]) expect((await ask(`/${prefix}`)).status).toBe(200);
    const loops = [ask("/noisy?do=loop"), ask("/noisy?do=loop")];
    await eventually(
      async () => (await admin.describe("noisy")).inFlight,
      (inFlight) => inFlight === 2,
    );
    for (let i = 0; i < 10; i++) expect((await ask("/quiet")).status).toBe(200);
    expect((await admin.describe("noisy")).inFlight).toBe(2); // they loop on
    for (const loop of loops) expect((await loop).status).toBe(504);
  });

  it("fills no carrier that others share once its requests are known to take long", async () => {
    const others = ["a", "b", "c"];
    const slowly = slow();
    await start({ carriers: 8, spare: 2 }, { slowly, ...Object.fromEntries(others.map((p) => [p, hello()])) });
    for (const prefix of others) expect((await ask(`/${prefix}`)).status).toBe(200);
    await whileItRuns(async (ms) => {
      const pending = [ask(`/slowly?do=sleep&ms=${ms}`)];
      await holdsWithin(ms, async () => (await admin.describe("slowly")).actors[0]?.state === "busy");
      await sleep(200); // ten times pressure.wait
      for (let i = 0; i < 2; i++) pending.push(ask(`/slowly?do=sleep&ms=${ms}`));
      await holdsWithin(ms, async () => (await carriersOf("slowly")).length === 3);
      const carriers = await carriersOf("slowly");
      const shared = new Set((await Promise.all(others.map(carriersOf))).flat());
      for (const prefix of others) expect((await ask(`/${prefix}`)).status).toBe(200);
      const { inFlight } = await admin.describe("slowly");
      return async (isInTime) => {
        expect(count(await Promise.all(pending), 200)).toBe(3);
        if (!isInTime) return;
        expect([carriers.length, inFlight]).toEqual([3, 3]);
        expect(carriers.filter((carrier) => shared.has(carrier)).length).toBeLessThanOrEqual(1);
      };
    }, 2000);
  });

  it("is put on a carrier of its own after a kill, and may bring the others' actors back to their minimum", async () => {
    const steady = hello({ placement: "shared", scale: { min: 1 } });
    await start(
      { carriers: 6, spare: 1 },
      { noisy: hostile({ limits: { deadline: "1s" }, max_restarts: 1000 }), a: steady, b: steady, c: steady },
    );
    const others = async (): Promise<number[]> => (await Promise.all(["a", "b", "c"].map(carriersOf))).flat();
    await eventually(others, (carriers) => carriers.length === 3);
    expect((await ask("/noisy")).status).toBe(200);
    expect((await ask("/noisy?do=loop")).status).toBe(504);
    for (let i = 0; i < 3; i++) {
      const [own] = await eventually(
        () => carriersOf("noisy"),
        (carriers) => carriers.length === 1,
      );
      const others_ = await eventually(others, (carriers) => carriers.length === 3);
      expect(others_).not.toContain(own);
      const before = (await Promise.all(["a", "b", "c"].map((prefix) => pidsOf(node, prefix)))).flat();
      expect((await ask("/noisy?do=loop")).status).toBe(504);
      expect((await Promise.all(["a", "b", "c"].map((prefix) => pidsOf(node, prefix)))).flat()).toEqual(before);
    }
    for (const prefix of ["a", "b", "c"]) expect((await ask(`/${prefix}`)).status).toBe(200);
  });
});

describe("pressure", () => {
  const scale = { max: 4, idle_timeout: "500ms", window: "1s" };

  it("256 requests at once: each is answered or shed; up to max, and back to nothing after the window", async () => {
    await start({ carriers: 8, spare: 2 }, { slow: slow({ scale, limits: { queue: 64, concurrency: 32 } }) });
    let most = 0;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        const actors = await node.metrics();
        let now = 0;
        for (const [name, value] of actors) if (name.startsWith("frenezulo_actors{")) now += value;
        most = Math.max(most, now);
        await sleep(5);
      }
    })();
    const replies = await burst(256, "/slow?do=spin&ms=10");
    isOver = true;
    await watching;
    const shed = replies.filter(({ status }) => status === 429);
    expect(count(replies, 200) + shed.length).toBe(256);
    expect(count(replies, 200)).toBeGreaterThanOrEqual(96);
    for (const each of shed) expect(retryAfter(each)).toBeGreaterThanOrEqual(1);
    expect([most > 1, most <= 4]).toEqual([true, true]);
    await eventually(
      () => pidsOf(node, "slow"),
      (pids) => pids.length === 0,
    );
    await node.metricSettles('carriers{state="spare"}', (value) => value === 2);
    expect(await node.metric('carriers{state="taken"}')).toBe(0);
    expect((await ask("/slow?ms=1")).status).toBe(200);
  });

  it("ends at min: those are there before the first request, and after the last", async () => {
    await start({ carriers: 8, spare: 1 }, { slow: slow({ scale: { ...scale, min: 2 } }) });
    await eventually(
      () => pidsOf(node, "slow"),
      (pids) => pids.length === 2,
    );
    expect(count(await burst(64, "/slow?do=spin&ms=10"), 200)).toBe(64);
    await eventually(
      () => pidsOf(node, "slow"),
      (pids) => pids.length === 2,
    );
    await sleep(1500);
    expect(await pidsOf(node, "slow")).toHaveLength(2);
    // A replacement brings its own.
    expect((await admin.put("api", service("hello"), { policy: { scale: { min: 2 } } })).status).toBe(200);
    await eventually(
      () => pidsOf(node, "api"),
      (pids) => pids.length === 2,
    );
  });

  it("burst actors serve one request each and are gone", async () => {
    await start(
      { carriers: 8, spare: 2 },
      { slow: slow({ placement: "shared", scale: { ...scale, idle_timeout: "never" } }) },
    );
    expect((await ask("/slow?ms=1")).status).toBe(200);
    const [resident] = await pidsOf(node, "slow");
    const replies = await Promise.all([ask("/slow?do=sleep&ms=300"), ask("/slow?do=sleep&ms=300")]);
    expect(count(replies, 200)).toBe(2);
    await eventually(
      () => pidsOf(node, "slow"),
      (pids) => pids.length === 1 && pids[0] === resident,
    );
  });

  it("the most recently used actor is asked first, so that the others are reaped", async () => {
    await start({ carriers: 8, spare: 2 }, { slow: slow({ placement: "dedicated", scale: { ...scale, min: 3 } }) });
    await eventually(
      () => pidsOf(node, "slow"),
      (pids) => pids.length === 3,
    );
    await node.metricSettles('actors{state="ready"}', (value) => value === 3);
    for (let i = 0; i < 31; i++) {
      expect((await ask("/slow?ms=1")).status).toBe(200);
      // One whose `done` is not seen yet would be passed over for the next.
      await eventually(
        async () => (await admin.describe("slow")).actors.map(({ state }) => state),
        (states) => states.every((state) => state === "idle"),
      );
    }
    const { actors } = await admin.describe("slow");
    expect(actors.map(({ requests }) => requests).sort((a, b) => a - b)).toEqual([0, 0, 31]);
  });

  it("those behind a slow request, of a service that is fast otherwise, do not wait for it", async () => {
    await start({ carriers: 8, spare: 2 }, { slow: slow({ placement: "dedicated" }) });
    for (let i = 0; i < 10; i++) expect((await ask("/slow?ms=0")).status).toBe(200);
    await whileItRuns(async (ms) => {
      const pending = ask(`/slow?do=sleep&ms=${ms}`);
      await holdsWithin(ms, async () => (await admin.describe("slow")).inFlight === 1);
      const behind = await burst(10, "/slow?ms=0");
      expect(count(behind, 200)).toBe(10);
      const { inFlight } = await admin.describe("slow");
      return async (isInTime) => {
        if (isInTime) expect(inFlight).toBe(1); // it is still at it
        expect((await pending).status).toBe(200);
      };
    }, 2000);
  });

  it.each(["shared", "dedicated"])("a greedy service (%s) leaves the last carrier to others", async (placement) => {
    const greedy = slow({ placement, scale: { max: 16 } });
    await start({ carriers: 4, spare: 1 }, { greedy, a: hello(), b: hello({ placement: "dedicated" }), c: hello() });
    await whileItRuns(async (ms) => {
      let ended = 0;
      const pending = Array.from({ length: 4 }, async () => {
        expect((await ask(`/greedy?do=sleep&ms=${ms}`)).status).toBe(200);
        ended++;
      });
      await holdsWithin(ms, async () => (await actorsOf(node, "greedy")).size === 3);
      for (const prefix of ["a", "b", "c"]) expect((await ask(`/${prefix}`)).status).toBe(200);
      const [endedBefore, actors] = [ended, (await actorsOf(node, "greedy")).size];
      return async (isInTime) => {
        if (isInTime) expect([endedBefore, actors]).toEqual([0, 3]); // nobody had to wait for one of them
        await Promise.all(pending);
      };
    }, 2500);
  });

  it("while it grows the last warm carrier is left to services that have no actor", async () => {
    const slowly = slow({ placement: "dedicated", scale: { max: 4 } });
    await start({ carriers: 8, spare: 1 }, { slowly });
    expect((await ask("/slowly?ms=1")).status).toBe(200);
    await node.metricSettles('carriers{state="spare"}', (spare) => spare === 1);
    let isOver = false;
    const pending = runLanes(node.address, 4, 4, async (client) => {
      while (!isOver) expect((await client.request("/slowly?do=sleep&ms=500")).status).toBe(200);
    });
    const spares: number[] = [];
    await eventually(
      async () => {
        spares.push(await node.metric('carriers{state="spare"}'));
        return (await carriersOf("slowly")).length;
      },
      (actors) => actors === 4,
    );
    expect(Math.min(...spares)).toBeGreaterThanOrEqual(1);
    isOver = true;
    await pending;
  });

  it("one service under endless load leaves carriers to others", async () => {
    const greedy = slow({ scale: { max: 16 }, limits: { queue: 1000 } });
    await start({ carriers: 4, spare: 1 }, { greedy, a: hello({ placement: "dedicated" }), b: hello(), c: hello() });
    let isOver = false;
    const load = runLanes(node.address, 16, 16, async (client) => {
      while (!isOver) expect([200, 503]).toContain((await client.request("/greedy?do=sleep&ms=500")).status);
    });
    await eventually(
      async () => (await pidsOf(node, "greedy")).length,
      (actors) => actors >= 3,
    );
    // Were it not so, they would wait for the end of that load: until their queue_timeout.
    for (const prefix of ["b", "c", "a"]) expect((await ask(`/${prefix}`)).status).toBe(200);
    const beside = new Bystander(node.address, "/a", "Hello World!", 1);
    await eventually(
      async () => beside.requests,
      (asked) => asked > 50,
    );
    await beside.stop();
    expect(beside.failures).toEqual([]);
    isOver = true;
    await load;
  });
});

describe("overload", () => {
  it("beyond concurrency and queue: 429 with Retry-After, and the others are answered", async () => {
    await start({ carriers: 4 }, { slow: slow({ scale: { max: 1 }, limits: { concurrency: 2, queue: 3 } }) });
    expect((await ask("/slow?ms=1")).status).toBe(200);
    await whileItRuns(async (ms) => {
      const refused: Reply[] = [];
      const replies = Array.from({ length: 20 }, async () => {
        const reply = await ask(`/slow?do=sleep&ms=${ms}`);
        if (reply.status === 429) refused.push(reply);
        return reply;
      });
      await holdsWithin(ms, async () => refused.length === 15);
      return async (isInTime) => {
        expect(count(await Promise.all(replies), 200) + refused.length).toBe(20);
        if (isInTime) expect(refused).toHaveLength(15);
        for (const each of refused) {
          expect(each.body.toString()).toContain("service_busy");
          expect(retryAfter(each)).toBeGreaterThanOrEqual(1);
        }
      };
    }, 400);
  });

  it("who waits longer than queue_timeout gets 503 with Retry-After, and costs no actor", async () => {
    await start({ carriers: 4 }, { slow: slow({ scale: { max: 1 }, limits: { queue_timeout: "300ms" } }) });
    await eventually(
      async () => (await ask("/slow?ms=1")).status,
      (status) => status === 200, // its start may take longer than it may wait
    );
    const before = await pidsOf(node, "slow");
    await whileItRuns(async (ms) => {
      const refused: Reply[] = [];
      const replies = Array.from({ length: 4 }, async () => {
        const reply = await ask(`/slow?do=sleep&ms=${ms}`);
        if (reply.status === 503) refused.push(reply);
        return reply;
      });
      await holdsWithin(ms, async () => refused.length === 3);
      return async (isInTime) => {
        expect(count(await Promise.all(replies), 200) + refused.length).toBe(4);
        if (isInTime) expect(refused).toHaveLength(3);
        for (const each of refused) {
          expect(each.body.toString()).toContain("queue_timeout");
          expect(retryAfter(each)).toBeGreaterThanOrEqual(1);
        }
      };
    });
    expect(await pidsOf(node, "slow")).toEqual(before);
  });

  it("a drain answers what bursts and queues have, and leaves nothing", async () => {
    await start({ carriers: 8, spare: 1 }, { slow: slow({ scale: { max: 6 } }) });
    const pending = burst(40, "/slow?do=spin&ms=100");
    await eventually(
      async () => (await pidsOf(node, "slow")).length,
      (actors) => actors > 1,
    );
    node.signal("SIGTERM");
    const replies = await pending;
    // Those whose connection came too late to be taken in may be told so; none is lost.
    expect(count(replies, 200) + count(replies, 503)).toBe(40);
    await node.ended;
    expect(node.log.find(({ msg }) => /drained/.test(msg))).toMatchObject({ cut: 0 });
    node = await NodeProcess.start();
  });
});

describe("a breaker", () => {
  const breaker = { failures: 5, ratio: 0.5, window: "1h" };
  const backoff = { min: "2s", max: "2s", jitter: 0 }; // time to ask while it is open

  it("opens when most requests fail, lets one probe through after its backoff, and closes when that succeeds", async () => {
    await start({ carriers: 4 }, { weak: hostile({ breaker, backoff }), other: hello() });
    const status = async (): Promise<string> => (await admin.describe("weak")).status;
    for (let i = 0; i < 4; i++) expect((await ask("/weak")).status).toBe(200);
    for (let i = 0; i < 4; i++) expect((await ask("/weak?do=trap")).status).toBe(502);
    expect((await ask("/weak")).status).toBe(200); // closed: fewer than `failures`
    expect((await ask("/weak?do=trap")).status).toBe(502);
    expect(await status()).toBe("broken");
    const refused = await burst(5, "/weak");
    expect(count(refused, 503)).toBe(5);
    for (const each of refused) {
      expect(each.body.toString()).toContain("breaker_open");
      expect([1, 2]).toContain(retryAfter(each));
    }
    expect((await ask("/other")).status).toBe(200);

    // A probe that fails opens it again.
    const probe = (path: string): Promise<number> =>
      eventually(
        async () => (await ask(path)).status,
        (status) => status !== 503,
      );
    expect(await probe("/weak?do=trap")).toBe(502);
    expect((await ask("/weak")).status).toBe(503);
    expect(await probe("/weak")).toBe(200);
    expect(count(await burst(5, "/weak"), 200)).toBe(5);
    expect(await status()).toBe("warm");
  });

  it("half-open lets exactly one request through", async () => {
    await start(
      { carriers: 4 },
      {
        weak: slow({
          breaker: { failures: 2, window: "1h" },
          backoff,
          limits: { deadline: "500ms" },
          max_restarts: 1000,
        }),
      },
    );
    for (let i = 0; i < 2; i++) expect((await ask("/weak?do=wait&ms=60000")).status).toBe(504);
    expect((await ask("/weak?ms=1")).status).toBe(503);
    await sleep(2100);
    // The probe fails: all that come in the two seconds after it are refused, however late.
    const replies = await burst(10, "/weak?do=wait&ms=60000");
    expect([count(replies, 504), count(replies, 503)]).toEqual([1, 9]);
    await eventually(
      async () => (await ask("/weak?ms=1")).status,
      (status) => status === 200,
    );
  });

  it("one failure in ten does not open it", async () => {
    await start({ carriers: 4 }, { weak: hostile({ breaker, backoff, state: "kept" }) });
    for (let i = 1; i <= 200; i++) {
      expect([i, (await ask(`/weak?do=trap&every=10`)).status]).toEqual([i, expect.any(Number)]);
    }
    const { counts, status } = await admin.describe("weak");
    expect([counts.requests, counts.failures > 0, status]).toEqual([200, true, "warm"]);
  });
});

describe("the tree", () => {
  it("shows bursts as temporary children, and residents with the policy's restart type", async () => {
    await start({ carriers: 8, spare: 2 }, { slow: slow({ restart: "transient", placement: "dedicated" }) });
    expect((await ask("/slow?ms=1")).status).toBe(200);
    let isOver = false;
    const pending = runLanes(node.address, 6, 6, async (client) => {
      while (!isOver) expect((await client.request("/slow?do=sleep&ms=200")).status).toBe(200);
    });
    await eventually(
      async () => supervisorIn(await treeOf(node), "slow").children.map(({ restart }) => restart),
      (restarts) => restarts.includes("transient") && restarts.includes("temporary"),
    );
    isOver = true;
    await pending;
  });
});
