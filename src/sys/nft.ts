/**
 * nft(8) scripts, each applied as one transaction. By the library that the program itself is made of, where it can be
 * loaded: a VM's start then costs no process. By the program else.
 */
import { CString, dlopen, FFIType, type Pointer, ptr } from "bun:ffi";
import { BangerError } from "../base/base.ts";
import { run } from "./process.ts";

const symbols = {
  nft_ctx_new: { args: [FFIType.u32], returns: FFIType.ptr },
  nft_ctx_free: { args: [FFIType.ptr], returns: FFIType.void },
  nft_ctx_buffer_output: { args: [FFIType.ptr], returns: FFIType.i32 },
  nft_ctx_buffer_error: { args: [FFIType.ptr], returns: FFIType.i32 },
  nft_ctx_get_output_buffer: { args: [FFIType.ptr], returns: FFIType.ptr },
  nft_ctx_get_error_buffer: { args: [FFIType.ptr], returns: FFIType.ptr },
  nft_ctx_output_set_flags: { args: [FFIType.ptr, FFIType.u32], returns: FFIType.void },
  nft_run_cmd_from_buffer: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
} as const;

type Library = ReturnType<typeof dlopen<typeof symbols>>["symbols"];
/** NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE of nftables/libnftables.h. */
const asJson = (1 << 4) | (1 << 3);

let library: Library | null | undefined;

function load(): Library | null {
  if (library !== undefined) return library;
  try {
    library = dlopen("libnftables.so.1", symbols).symbols;
  } catch {
    library = null;
  }
  return library;
}

interface Outcome {
  ok: boolean;
  output: string;
  error: string;
}

function byLibrary(nft: Library, script: string, json: boolean): Outcome {
  const context = nft.nft_ctx_new(0);
  if (context === null) throw new BangerError("no_space", "no memory for a firewall's change");
  try {
    nft.nft_ctx_buffer_output(context);
    nft.nft_ctx_buffer_error(context);
    if (json) nft.nft_ctx_output_set_flags(context, asJson);
    const bytes = Buffer.from(`${script}\0`, "utf8");
    // SAFETY: the script ends with a NUL and lives across the call; the context is freed below, after its buffers,
    // which are its own, were copied.
    const status = nft.nft_run_cmd_from_buffer(context, ptr(bytes));
    const said = (at: Pointer | bigint | null) =>
      at === null ? "" : new CString(Number(at) as Pointer).toString();
    const output = said(nft.nft_ctx_get_output_buffer(context));
    return { ok: status === 0, output, error: said(nft.nft_ctx_get_error_buffer(context)) };
  } finally {
    nft.nft_ctx_free(context);
  }
}

async function byProgram(script: string, json: boolean): Promise<Outcome> {
  const args = json ? ["-j", "-a", "-f", "-"] : ["-f", "-"];
  const result = await run("nft", args, { input: Buffer.from(script), maxOutputBytes: 64 * 1024 * 1024 });
  return { ok: result.status === 0, output: result.stdout.toString("utf8"), error: result.stderr };
}

async function execute(script: string, json: boolean): Promise<Outcome> {
  const nft = load();
  return nft === null ? await byProgram(script, json) : byLibrary(nft, script, json);
}

/** All of the script, or, with an error, nothing of it. */
export async function applyNft(script: string): Promise<void> {
  const { ok, error } = await execute(script, false);
  if (!ok)
    throw new BangerError("operation_failed", `the kernel refused firewall rules: ${firstLine(error)}`);
}

/** What a `list` command answers, as JSON (libnftables-json(5)); undefined when there is no such object. */
export async function listNft(command: string): Promise<unknown[] | undefined> {
  const { ok, output, error } = await execute(command, true);
  if (!ok) {
    if (/No such file or directory/.test(error)) return undefined;
    throw new BangerError("operation_failed", `the firewall cannot be read: ${firstLine(error)}`);
  }
  const parsed: unknown = output === "" ? {} : JSON.parse(output);
  if (typeof parsed !== "object" || parsed === null || !("nftables" in parsed)) return [];
  return Array.isArray(parsed.nftables) ? parsed.nftables : [];
}

function firstLine(error: string): string {
  return error.trim().split("\n")[0] ?? "no message";
}
