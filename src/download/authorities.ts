/**
 * Whom a registry's certificate must be signed by: this machine's authorities, as its administrator keeps them, and not
 * Bun's own list; and docker's for one registry, /etc/docker/certs.d/HOST[:PORT]/NAME.crt.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Where distributions keep all of them in one file (as Go's crypto/x509 has it). */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const dockerCertificates = "/etc/docker/certs.d";

/** PEM; undefined where the machine has none, and Bun's list has to do. SSL_CERT_FILE stands for the machine's. */
export async function trustedAuthorities(
  env: Readonly<Record<string, string | undefined>>,
  registryHost: string,
  certificates: string = dockerCertificates,
): Promise<string | undefined> {
  const machine = await firstOf(env.SSL_CERT_FILE ? [env.SSL_CERT_FILE] : bundles);
  const own = join(certificates, registryHost);
  const names = (await readdir(own).catch(() => [])).filter((name) => name.endsWith(".crt")).sort();
  const more = await Promise.all(names.map((name) => readFile(join(own, name), "utf8")));
  const all = [...(machine === undefined ? [] : [machine]), ...more];
  return all.length === 0 ? undefined : all.join("\n");
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  return undefined;
}
