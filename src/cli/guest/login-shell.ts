/** A shell for a person: bash where there is one; guests of other makes have no more than sh. */
export const loginShell: readonly string[] = [
  "/bin/sh",
  "-c",
  "[ -x /bin/bash ] && exec /bin/bash -l; SHELL=/bin/sh; export SHELL; exec /bin/sh -l",
];
