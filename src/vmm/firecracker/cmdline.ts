/** Words of the guest kernel's command line that Firecracker's machines need: each with its reason (docs/firecracker.md). */

/**
 * Port of the agent in the guest. Below 1024: ordinary users of the guest cannot take it (vsock(7)), should the agent be gone.
 */
export const agentPort = 71;

export const driverWords: readonly string[] = [
  `banger.vsock=${agentPort}`,
  // There is no PCI bus to look for: devices are virtio-mmio, found by ACPI.
  "pci=off",
  // Firecracker ends when its guest asks the keyboard controller for a reset; it has no way to power off.
  "reboot=k",
  // Only from ACPI does the kernel know the keyboard's interrupt, and without it no Ctrl-Alt-Del would arrive.
  "i8042.nopnp=0",
  // The only console there is; later words win over the kernel's defaults for every guest.
  "console=ttyS0",
  "8250.nr_uarts=1",
];
