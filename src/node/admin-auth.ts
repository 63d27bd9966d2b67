// Who may use the admin routes of a node, from its config: the token and the listeners' addresses.
import type { AuthOptions, ListenAddress } from "../admin/auth.ts";
import type { NodeConfig } from "../config/config.ts";
import { readTokenFile } from "../config/token-file.ts";

/** How a unix socket is made; only its owner gets in, so that it counts as loopback. */
const SOCKET_MODE = 0o600;

/** @throws token_needed if the token file cannot be used */
export async function adminToken({ admin }: NodeConfig): Promise<string | undefined> {
  return admin.token ?? (admin.token_file === undefined ? undefined : await readTokenFile(admin.token_file));
}

export function authOf({ admin, listen }: NodeConfig, token: string | undefined): AuthOptions {
  const adminListen = admin.listen === undefined ? undefined : listenAddress(admin.listen);
  return { token, listen: listenAddress(listen.address), isPublic: admin.public, adminListen };
}

function listenAddress(address: string): ListenAddress {
  return address.startsWith("unix:") ? { address, unixMode: SOCKET_MODE } : { address };
}
