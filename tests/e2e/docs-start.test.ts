/** The README and the first hour, as a stranger types them. */
import { userSessions } from "../docs/pages.ts";
import { testPages } from "./docs-session.ts";

testPages(userSessions.start);
