type Running = { pid: number; command: string };
export function runningIn(scratch: string): Running[];
export function endRunning(scratch: string, graceMs: number): Promise<Running[]>;
