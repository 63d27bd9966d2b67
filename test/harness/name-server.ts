// A name server on loopback that answers some names, knows that others do not exist, and is silent about the rest.
import { createSocket } from "node:dgram";
import { once } from "node:events";

const TYPE = { A: 1, AAAA: 28 } as const;
const NXDOMAIN = 3;

export interface NameServer {
  /** "127.0.0.1:PORT". */
  readonly address: string;
  /** Names that were asked for with type A, in order; one that is silent is asked again. */
  readonly asked: string[];
  close(): void;
}

/** @param answer IPv4 addresses of a name (it has none of IPv6), null: there is no such name, undefined: silence */
export async function serveNames(answer: (name: string) => readonly string[] | null | undefined): Promise<NameServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (query, { port, address }) => {
    const { name, type, end } = questionOf(query);
    if (type === TYPE.A) asked.push(name);
    const found = answer(name);
    if (found === undefined) return;
    const records = type === TYPE.A ? (found ?? []) : [];
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | (found === null ? NXDOMAIN : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    // Each record: the name by a pointer, type A, class IN, 0 s to live, 4 bytes.
    const answers = records.map((each) =>
      Buffer.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...each.split(".").map(Number)),
    );
    socket.send(Buffer.concat([head, query.subarray(12, end), ...answers]), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { address: `127.0.0.1:${socket.address().port}`, asked, close: () => socket.close() };
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] as number; length > 0; length = query[at] as number) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}
