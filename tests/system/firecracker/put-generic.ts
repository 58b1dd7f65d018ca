/** Runs inside the emulated host: gives the image of that name the kernel in /srv/generic, as another image. */
import { installGeneric } from "../../e2e/generic-kernel.ts";

installGeneric(process.argv[2], "/var/lib/banger", "/srv/generic");
