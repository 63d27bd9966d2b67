// Starts the bundled thread programs of the tests and waits for what they say.
import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Starts a thread whose only message is its result. @throws if it ends without one */
export async function result<Data, Result>(program: string, data: Data): Promise<Result> {
  const worker = new Worker(program, { workerData: data });
  try {
    const ended = once(worker, "exit").then(([code]) => Promise.reject(new Error(`the thread ended with ${code}`)));
    ended.catch(() => {});
    const [message] = (await Promise.race([once(worker, "message"), ended])) as [Result];
    return message;
  } finally {
    await worker.terminate();
  }
}
