/** The kernel command line of every guest: each word with its reason. Figures: docs/boot.md. */
export const bootCmdline: readonly string[] = [
  // What banger's init reads.
  "root=/dev/vda",
  "rw",
  "banger.work=/dev/vdb",
  "banger.personalise",
  // A quiet console: every line costs.
  "quiet",
  "loglevel=3",
  "8250.nr_uarts=0",
  // No keyboard controller to probe for.
  "i8042.noaux",
  "i8042.nomux",
  "i8042.nopnp",
  "i8042.dumbkbd",
  // Entropy and clock are given, not measured.
  "random.trust_cpu=on",
  "tsc=reliable",
  "no_timer_check",
  "audit=0",
  // The kernel's crypto does not test itself at each boot: half a second under emulation.
  "cryptomgr.notests",
  // Waits for all processors to pass a quiet point are short-cut: modules, mounts and cgroups wait for dozens of them.
  "rcupdate.rcu_expedited=1",
  // An idle guest is to sleep. A processor that stands still is one that the host has not let run: nothing to look for
  // every four seconds.
  "nowatchdog",
  // Memory is put together when somebody wants it in large pieces, not by a thread that looks twice a second (kcompactd).
  "sysctl.vm.compaction_proactiveness=0",
  // Loaded by systemd wherever it sees QEMU; nothing in the guest reads what they show.
  "module_blacklist=qemu_fw_cfg,dmi_sysfs",
  // Debian's kernel turns it on, nobody loads a profile, and Docker runs no container when it is on and its programs are not
  // installed.
  "apparmor=0",
  // A guest that panics ends, so that its VM does too.
  "panic=1",
  "reboot=t",
];
