// A CA and a certificate that it signed, made for the test by openssl.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** PEM. The certificate is for localhost and 127.0.0.1. */
export interface Certificates {
  readonly ca: Buffer;
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** @param cwd a folder of the test's own, for the files */
export function makeCertificates(cwd: string): Certificates {
  const ec = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const script = `set -e
    openssl req -x509 ${ec} -keyout ca.key -out ca.pem -subj "/CN=test CA" -days 2
    openssl req ${ec} -keyout key.pem -out request.pem -subj /CN=localhost
    echo subjectAltName=DNS:localhost,IP:127.0.0.1 > names
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem`;
  execFileSync("sh", ["-c", script], { cwd, stdio: "ignore" });
  const [ca, certificate, key] = ["ca.pem", "cert.pem", "key.pem"].map((name) => readFileSync(join(cwd, name)));
  return { ca, certificate, key } as Certificates;
}
