/** The pages about forks and the recipes, as a reader types them. */
import { userSessions } from "../docs/pages.ts";
import { testPages } from "./docs-session.ts";

testPages(userSessions.more);
