/** Every check there is, in the order in which people read them. */
import type { Check } from "./check.ts";
import { firecrackerChecks } from "./checks/firecracker.ts";
import { guestPathChecks } from "./checks/guest-path.ts";
import { imageChecks } from "./checks/images.ts";
import { jailChecks } from "./checks/jails.ts";
import { machineChecks } from "./checks/machine.ts";
import { nameServerChecks } from "./checks/name-server.ts";
import { nameChecks } from "./checks/names.ts";
import { networkChecks } from "./checks/network.ts";
import { programChecks } from "./checks/programs.ts";
import { serviceChecks } from "./checks/services.ts";
import { sessionChecks } from "./checks/session.ts";
import { storageChecks } from "./checks/storage.ts";
import { updateChecks } from "./checks/update.ts";
import { vmChecks } from "./checks/vms.ts";

export const checks: readonly Check[] = [
  ...machineChecks,
  ...programChecks,
  ...updateChecks,
  ...storageChecks,
  ...sessionChecks,
  ...imageChecks,
  ...serviceChecks,
  ...firecrackerChecks,
  ...jailChecks,
  ...networkChecks,
  ...nameChecks,
  ...nameServerChecks,
  ...guestPathChecks,
  ...vmChecks,
];
