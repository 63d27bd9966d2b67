// lunatic::timer: messages that are sent later (lunatic-abi.md §1.3, §2.9).
import { type Host, type HostFunctions, u64 } from "../host.ts";
import { pidOf } from "../pid.ts";
import { sendable } from "./message.ts";

export function timerFunctions(host: Host): HostFunctions {
  return {
    send_after: (pid: bigint, ms: bigint) => {
      const process = host.enter();
      const message = sendable(host, process, "lunatic::timer.send_after");
      const { timers } = process.resources;
      process.scratch = null;
      message.detach();
      const { processes } = host.services;
      let id: bigint | null = null;
      const timer = processes.sendAfter(process, pidOf(pid), message, Number(u64(ms)), () => {
        if (id !== null) timers.remove(id);
      });
      if (timer === 0) host.trap("all processes together have too many timers, or too many bytes in their messages");
      id = timers.add(timer);
      if (id !== null) return id;
      processes.cancelTimer(process, timer);
      return host.trap("it has too many timers");
    },
    /** 1 if it had not fired. */
    cancel_timer: (id: bigint) => {
      const process = host.enter();
      const { timers } = process.resources;
      const timer = timers.get(u64(id));
      if (timer === undefined) return 0;
      timers.remove(u64(id));
      return host.services.processes.cancelTimer(process, timer) ? 1 : 0;
    },
  };
}
