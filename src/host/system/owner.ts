/** Whose installation it is: a user that exists and is not root. */
import { BangerError } from "../../base/base.ts";
import { canBeOwner, type Owner } from "../../config/install.ts";
import { run } from "../../sys/sys.ts";

/** The user's line in the host's user database (passwd(5)), wherever that is kept; undefined when there is none. */
export async function lookUpUser(name: string): Promise<string | undefined> {
  const { status, stdout } = await run("getent", ["passwd", "--", name]);
  return status === 0 ? stdout.toString("utf8").trim() : undefined;
}

/** Throws not_found, and bad_request for root and for names that a unit file cannot hold. */
export async function findOwner(
  name: string,
  lookUp: (name: string) => Promise<string | undefined> = lookUpUser,
): Promise<Owner> {
  // The lookup would take a number too, and find the user who has it.
  if (!canBeOwner({ owner: name })) {
    throw new BangerError("bad_request", `${JSON.stringify(name)} is not a user's name`);
  }
  const line = await lookUp(name);
  if (line === undefined) {
    throw new BangerError("not_found", `there is no user ${name}`, {
      hint: "who there is: getent passwd",
    });
  }
  const [owner = "", , uid, gid, , home = ""] = line.split(":");
  if (uid === "0") {
    throw new BangerError("bad_request", `${name} is root: the owner of the VMs must be an ordinary user`, {
      hint: "everything that the owner may do would be root's otherwise; give --owner your own name",
    });
  }
  const found = { owner, uid: Number(uid), gid: Number(gid), home };
  if (canBeOwner(found) && owner === name) return found;
  throw new BangerError("bad_request", `${name} cannot be the owner: its entry in the user database is odd`, {
    hint: `look at it: getent passwd ${name}`,
  });
}
