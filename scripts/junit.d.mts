export function readReport(path: string): {
  counts: { passed: number; failed: number; skipped: number };
  failures: string[];
};
