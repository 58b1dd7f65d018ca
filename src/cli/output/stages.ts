/** The words for the stages of a long call. Stage names are the daemon's and stable; unknown ones show as they are. */
import { escapeLine } from "./escape.ts";

interface Words {
  /** While it goes on. */
  label: string;
  /** What it counts as in the summary. */
  part: string;
}

/** Nouns for what is made by one list and taken away by another. */
const known: Readonly<Record<string, Words>> = {
  image: { label: "building the image (once)", part: "image" },
  image_bundle: { label: "fetching the image", part: "image" },
  kernel_bundle: { label: "fetching the kernel", part: "kernel image" },
  image_copy: { label: "copying the image", part: "image" },
  image_save: { label: "saving the disks", part: "image" },
  release: { label: "downloading the release", part: "download" },
  tools: { label: "fetching tools for the image", part: "image" },
  image_manifest: { label: "asking for the image", part: "image" },
  image_layers: { label: "fetching the layers", part: "layers" },
  image_root: { label: "unpacking the layers", part: "disk image" },
  kernel: { label: "preparing the kernel", part: "kernel image" },
  reserve: { label: "taking the name", part: "disks" },
  vm_directory: { label: "the VM's directory", part: "disks" },
  template: { label: "looking for a template", part: "disks" },
  root_disk: { label: "preparing the root disk", part: "disks" },
  work_disk: { label: "preparing the work disk", part: "disks" },
  identity: { label: "making keys", part: "disks" },
  record: { label: "recording the VM", part: "disks" },
  preflight: { label: "checking", part: "launch" },
  mark_starting: { label: "starting", part: "launch" },
  root_device: { label: "the root disk's device", part: "launch" },
  network: { label: "the network device", part: "launch" },
  egress: { label: "changing the way out", part: "network" },
  run_directory: { label: "the run directory", part: "launch" },
  vmm_launch: { label: "launching the machine", part: "launch" },
  agent_hello: { label: "booting the kernel", part: "kernel" },
  agent_again: { label: "waking the guest", part: "guest" },
  workspace: { label: "placing the workspace", part: "workspace" },
  personalise: { label: "settling in", part: "guest" },
  guest_ready: { label: "booting the guest", part: "guest" },
  mark_running: { label: "running", part: "guest" },
  copy: { label: "copying", part: "copy" },
  file_sync: { label: "bringing your files (file_sync)", part: "files" },
  import: { label: "copying the workspace", part: "workspace" },
  guest_work: { label: "looking at the guest's work", part: "guest" },
  bring_home: { label: "bringing it here", part: "copy" },
  check_work: { label: "checking what has come", part: "copy" },
  vmm_pause: { label: "halting the machine", part: "machine" },
  mark_paused: { label: "paused", part: "machine" },
  vmm_resume: { label: "going on", part: "machine" },
  mark_resumed: { label: "running", part: "machine" },
  freeze_disks: { label: "freezing the disks", part: "disks" },
  frozen_record: { label: "freezing the disks", part: "disks" },
  checkpoint: { label: "copying the memory", part: "memory" },
  seal: { label: "checking what was saved", part: "memory" },
  mark_suspended: { label: "suspended", part: "machine" },
  forget_machine: { label: "suspended", part: "machine" },
  restore_prepare: { label: "preparing the disks", part: "disks" },
  restore_disks: { label: "going back to the disks as they were", part: "disks" },
  unused_layers: { label: "removing layers that nobody uses", part: "disks" },
  fork_disks: { label: "preparing the disks", part: "disks" },
  clock: { label: "setting the clock", part: "guest" },
  mark_stopping: { label: "stopping", part: "stop" },
  guest_power_off: { label: "powering off", part: "guest" },
  vmm_end: { label: "ending the machine", part: "machine" },
  mark_stopped: { label: "stopped", part: "stop" },
  mark_deleting: { label: "deleting", part: "disks" },
  row: { label: "forgetting the VM", part: "disks" },
};

/** What the stage is called. */
export function stageTitle(stage: string): string {
  const words = Object.hasOwn(known, stage) ? known[stage] : undefined;
  return words?.label ?? escapeLine(stage.replaceAll("_", " "));
}

/** The heading under which the summary counts it. */
export function stagePart(stage: string): string {
  const words = Object.hasOwn(known, stage) ? known[stage] : undefined;
  return words?.part ?? escapeLine(stage.replaceAll("_", " "));
}
