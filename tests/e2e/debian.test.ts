/** What is in the image debian-bookworm: Docker, which starts when it is wanted, and tools for development. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { dockerArchive } from "../../src/oci/testing/image-builder.ts";
import { toolOf } from "../../src/release/release.ts";
import { Banger, downloads } from "./fixture.ts";
import { sayConfig, sayLayer } from "./say.ts";

const banger = new Banger();
const exec = (script: string, input: string | Uint8Array = "") =>
  banger.run(["vm", "exec", "full", "--", "bash", "-c", script], { input, timeoutMs: 600_000 });
const said = async (script: string) => (await exec(script)).stdout.trim();
const active = "systemctl is-active docker.socket docker.service containerd.service | xargs";

beforeAll(async () => {
  await banger.image();
  await banger.ok(["vm", "create", "--name", "full", "--memory", "1G"]);
}, 1_500_000);
afterAll(() => banger.close());

test("nothing of Docker runs until somebody wants it", async () => {
  expect(await said(active)).toBe("active inactive inactive");
});

test("an image from a tar runs in a container, with a network; the streams and the status are the program's", async () => {
  const archive = dockerArchive("say:t", sayLayer(banger.dir), { ...sayConfig, Entrypoint: ["/app/say"] });
  expect((await exec("docker load", archive)).stdout).toBe("Loaded image: say:t\n");
  const { status, stdout } = await exec("docker run --rm say:t 42 /proc/net/route");
  expect(status).toBe(42);
  expect(stdout).toStartWith("hello there /app 42\n");
  // The way out is by the bridge's address, 172.17.0.1.
  expect(stdout).toMatch(/^eth0\t00000000\t010011AC\t/m);
  expect(await said(active)).toBe("active active active");
}, 900_000);

test("images are built, by docker's own builder", async () => {
  const dockerfile = 'FROM say:t\nCOPY file /app/file\nCMD ["7", "/app/file"]\n';
  const { status, stdout } = await exec(
    `mkdir b && cd b && cat > Dockerfile && echo copied > file && docker build -q -t built . >&2 && docker run --rm built`,
    dockerfile,
  );
  expect([status, stdout]).toEqual([7, "hello there /app 7\ncopied\n"]);
}, 600_000);

test("compose answers as docker's own command", async () => {
  expect(await said("docker compose version --short")).toBe("1.29.2");
  const up = `mkdir c && cd c && cat > docker-compose.yml && docker compose up --no-color --exit-code-from one; echo $?`;
  const { stdout } = await exec(up, 'services: {one: {image: "say:t", command: ["3"]}}\n');
  expect(stdout).toContain("hello there /app 3\n");
  expect(stdout).toEndWith("\n3\n");
}, 600_000);

test.each([
  ["node --version", /^v18\./],
  ["npm --version", /^9\./],
  ["python3 -c 'import ensurepip, venv' && python3 -m pip --version", /^pip 23\..* \(python 3\.11\)$/],
  ["rg --version", /^ripgrep 13\./],
  ["jq --version", /^jq-1\.6$/],
  ["tmux -V", /^tmux 3\./],
  ["make --version", /^GNU Make 4\./],
  ["dpkg-architecture -qDEB_HOST_MULTIARCH", /^x86_64-linux-gnu$/],
  ["echo 'int main(void) { return 5; }' | gcc -x c -o five - && ./five; echo $?", /^5$/],
  ["git --version", /^git version 2\./],
])(
  "%s",
  async (command, answer) => {
    expect((await said(command)).split("\n")[0]).toMatch(answer);
  },
  300_000,
);

const miseIsHere = existsSync(join(downloads, toolOf("mise").sha256));
const mise = "mise is there for login shells, and switches with the directory in interactive ones";
test.skipIf(!miseIsHere)(
  miseIsHere ? mise : `${mise}: set-up could not fetch it`,
  async () => {
    expect(await said(`bash -lc 'type -P mise; echo "$PATH"'`)).toMatch(
      /^\/usr\/local\/bin\/mise\n\/root\/\.local\/share\/mise\/shims:/,
    );
    await exec("mkdir m && cd m && printf '[env]\\nOF_THE_DIRECTORY = \"yes\"\\n' > mise.toml && mise trust");
    expect(
      await said(`bash -ic 'cd m && echo "$OF_THE_DIRECTORY"; cd .. && echo "[$OF_THE_DIRECTORY]"'`),
    ).toBe("yes\n[]");
  },
  300_000,
);

test("nothing has failed", async () => {
  expect(await said("systemctl is-system-running; systemctl list-units --failed --no-legend")).toBe(
    "running",
  );
});
