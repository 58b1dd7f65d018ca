/** The installation as rows: for install, status and restart. */
import type { ServiceStatus, SystemStatus } from "../../host/host.ts";
import { driverRows } from "../output/driver-rows.ts";
import { ago } from "../output/when.ts";

export function statusRows(
  { install, services, builds, driver }: SystemStatus,
  now: Date,
): [string, string][] {
  return [
    ["owner", `${install.owner} (uid ${install.uid})`],
    ["version", `${install.version} (${install.commit}), built ${install.built_at}`],
    ["installed", ago(install.installed_at, now)],
    ...services.flatMap((service): [string, string][] => {
      const name = service.unit.replace(/\.service$/, "");
      return [
        [name, `${service.active} (${service.sub}), ${atBoot(service)}`],
        [`${name} socket`, `${service.socket} ${answerOf(service)}`],
      ];
    }),
    ["builds", `${builds.socket} ${builds.active} (${builds.sub}), ${atBoot(builds)}`],
    ...(driver === null ? [] : driverRows(driver)),
  ];
}

function atBoot({ enabled }: { enabled: boolean }): string {
  return enabled ? "starts at boot" : "does not start at boot";
}

function answerOf({ answer }: ServiceStatus): string {
  if (answer === null) return "does not answer";
  if (answer === "denied") return "is not yours to ask";
  return `answers: ${answer.version} (${answer.commit}), pid ${answer.pid}`;
}
