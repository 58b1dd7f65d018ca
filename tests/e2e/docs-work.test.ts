/** The pages about what goes into a VM and comes out of it, as a reader types them. */
import { userSessions } from "../docs/pages.ts";
import { testPages } from "./docs-session.ts";

testPages(userSessions.work);
