/**
 * The null bed: a real bangerd whose machines are nothing, so that what is left is banger's own cost. A machine is an entry
 * in a map; its guest is a stub that speaks the agent protocol and ends every command at once with status 0.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { userPlace } from "../src/daemon/place.ts";
import { plainPlatform } from "../src/daemon/platform.ts";
import { runDaemon } from "../src/daemon/run.ts";
import { encodeHeader } from "../src/guest/frames.ts";
import {
  ackMagic,
  Frame,
  headerBytes,
  nonceBytes,
  Operation,
  PayloadWriter,
  syncMagic,
} from "../src/guest/protocol.ts";
import { vmmNetwork } from "../src/vm/vm.ts";
import type { MachineHandle, VmmDriver } from "../src/vmm/vmm.ts";

/** The guest's end: pings, personalise, exec and power-off succeed, everything else is not asked for. */
function stubGuest(powerOff: () => void): Duplex {
  let bytes = Buffer.alloc(0);
  let synchronised = false;
  const stream: Duplex = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      bytes = Buffer.concat([bytes, chunk]);
      if (!synchronised && bytes.length >= syncMagic.length + nonceBytes) {
        const nonce = bytes.subarray(syncMagic.length, syncMagic.length + nonceBytes);
        const hello = new PayloadWriter().u32(1).u8(2).string("null").string("boot").string("none").done();
        stream.push(Buffer.concat([ackMagic, nonce, encodeHeader(hello.length, 0, Frame.hello), hello]));
        bytes = bytes.subarray(syncMagic.length + nonceBytes);
        synchronised = true;
      }
      while (
        synchronised &&
        bytes.length >= headerBytes &&
        bytes.length >= headerBytes + bytes.readUInt32LE(0)
      ) {
        const length = bytes.readUInt32LE(0);
        const [id, type] = [bytes.readUInt32LE(4), bytes.readUInt8(8)];
        const operation = length > 0 ? bytes.readUInt8(headerBytes) : 0;
        bytes = bytes.subarray(headerBytes + length);
        if (type === Frame.ping) {
          const now = new PayloadWriter().u64(BigInt(Date.now()) * 1_000_000n).done();
          stream.push(Buffer.concat([encodeHeader(now.length, 0, Frame.pong), now]));
        }
        if (type !== Frame.open) continue;
        const exec = operation === Operation.exec;
        const result = exec ? new PayloadWriter().u32(0).u32(0).done() : new PayloadWriter().u32(0).done();
        if (exec)
          stream.push(
            Buffer.concat([encodeHeader(0, id, Frame.outEof, 0), encodeHeader(0, id, Frame.outEof, 1)]),
          );
        stream.push(Buffer.concat([encodeHeader(result.length, id, Frame.result), result]));
        if (operation === Operation.powerOff) powerOff();
      }
      done();
    },
  });
  return stream;
}

function nullDriver(): VmmDriver {
  const machines = new Map<number, PromiseWithResolvers<void>>();
  let nextPid = 1;
  const end = async ({ process }: MachineHandle) => {
    machines.get(process.pid)?.resolve();
    machines.delete(process.pid);
  };
  return {
    name: "null",
    capabilities: {
      ...{ qcow2: true, userModeNetwork: true, saveRestore: false },
      ...{ frozenDisks: "layers", keepsConnections: true },
    },
    guestModules: [],
    probe: async () => ({ driver: "null", usable: true, acceleration: "none", version: "0" }),
    start: async ({ runDir }) => {
      const pid = nextPid++;
      machines.set(pid, Promise.withResolvers());
      return { driver: "null", process: { pid, startTicks: 0, bootId: "null" }, runDir };
    },
    find: async () => undefined,
    findIn: async () => [],
    alive: async ({ process }) => machines.has(process.pid),
    exited: async ({ process }) => machines.get(process.pid)?.promise,
    agentStream: async (machine) => stubGuest(() => void end(machine)),
    signal: async () => {},
    kill: end,
  };
}

await runDaemon(
  {
    platform: (config, _place, vms) => plainPlatform(nullDriver(), vmmNetwork(config.default_dns), vms),
    shelf: (_state, _config, paths) => {
      const rootfs = join(paths.state, "null.ext4");
      mkdirSync(paths.state, { recursive: true });
      writeFileSync(rootfs, Buffer.alloc(1 << 20));
      const source = {
        ...{ image: { id: "sha256:null", name: "null" }, kernel: { id: "sha256:null", name: "null" } },
        ...{ rootfs, vmlinux: rootfs, initramfs: rootfs, cmdline: [], workSeed: undefined },
      };
      const none = () => Promise.reject(new Error("the null bed has no images"));
      return {
        ensure: async () => source,
        renew: async () => source,
        bootSource: async () => source,
        commandDefaults: async () => ({ env: {}, cwd: undefined, user: undefined }),
        ...{
          current: async () => undefined,
          listImages: async () => [],
          own: { register: none, promote: none, save: none },
          isOffered: async () => true,
          importKernel: none,
          image: none,
          removable: none,
          deleteImage: none,
          listKernels: async () => [],
          kernel: none,
          pullKernel: none,
        },
        ...{
          imports: { byName: none, byReference: none, nameOf: none },
          pruneCache: none,
          removeKernel: none,
        },
        ...{ cleanStaging: async () => {}, removeReplaced: async () => {} },
      };
    },
  },
  userPlace(),
);
