/**
 * The warm room: templates, which are booted, idle guests kept as files, so that new VMs can go on from where they are.
 *
 * Owns the templates' directory: memory, device state and disks of each, with a manifest. Promises: a template is there
 * whole or not at all; what is handed out is what was published (sizes, times and owner are looked at each time, checksums
 * once per daemon and file); what is not is removed. A template may vanish at any time: whoever mapped or opened its files
 * keeps them, others start cold. Beside them the checkpoints: what a VM was at a moment, kept for as long as somebody needs it. Never starts a machine, and never knows what is on the disks.
 */
export interface TemplateRef {
  /** 32 hex digits: what the template is good for, see templateName. */
  key: string;
  /** This very template: one that was made anew under the same key has other memory, and goes with other disks. */
  id: string;
}

export interface TemplateDisk {
  path: string;
  format: "raw" | "qcow2";
  strategy: string;
}

export interface Template extends TemplateRef {
  memory: string;
  state: string;
  root: TemplateDisk;
  work: string;
}

/** What a template depends on, in words; everything must be the same for a VM that goes on from it. */
export type KeyRecord = Readonly<Record<string, string>>;

export { type CheckpointInfo, type Checkpoints, type Need, openCheckpoints } from "./checkpoints.ts";
export { memoryName, stateName } from "./manifest.ts";
export { type FreshTemplate, openTemplates, type TemplateInfo, type Templates } from "./store.ts";
export { templateName } from "./template-name.ts";
