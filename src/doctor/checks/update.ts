/** The check of banger's own program. */
import { anywhere, type Check, defineCheck } from "../check.ts";
import { type Evidence, pass, warn } from "../verdict.ts";

const update = defineCheck({
  id: "update",
  group: "programs",
  modes: anywhere,
  symptoms: [
    "`banger update` was killed, or the power went during it",
    "`the update to ... failed, and so did going back to ...`",
    "`the update to ... was interrupted, and going back to ... failed`",
    "something of a new release does not work until `system install` is run again",
  ],
  meaning:
    "`banger update` writes down what it is about to do; one that was cut off is finished, or taken back, by the next. It changes no unit files: a release that has others needs them put.",
  cure: "`sudo banger update` (without services: `banger update`); when the new version does not work at all, by the program of the one before, in `lib/banger/versions`: [updating.md](updating.md). For unit files `sudo banger system install --owner USER`.",
  dependsOn: [],
  needs: ["update"],
  judge: ({ facts: { update }, place, advice }) => {
    const { pending, otherUnits } = update;
    const evidence: Evidence[] = [
      { looked: pending.path, found: pending.exists ? "an update that has not ended" : "not there" },
      ...otherUnits.map((looked) => ({ looked, found: "not as this version would write it" })),
    ];
    if (pending.exists) {
      const line = place.mode === "system" ? advice.asRoot("banger update") : "banger update";
      return warn(
        "an update is under way, or was cut off",
        [`${line} finishes one that was cut off`],
        ...evidence,
      );
    }
    if (otherUnits.length > 0) {
      const install = `banger system install --owner ${place.install?.owner ?? "USER"}`;
      return warn("unit files are of another version", [advice.asRoot(install)], ...evidence);
    }
    return pass("no update was cut off", ...evidence);
  },
});

export const updateChecks: readonly Check[] = [update];
