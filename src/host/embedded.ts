/** The native programs that travel inside the executable. Their paths are readable files, also when compiled. */
import agentPath from "../../build/native/agent" with { type: "file" };
import initPath from "../../build/native/init" with { type: "file" };

export { agentPath, initPath };
