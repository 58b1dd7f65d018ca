/** What `import path from "FILE" with { type: "file" }` gives: the path of the embedded file. */
declare module "*/native/agent" {
  const path: string;
  export default path;
}
declare module "*/native/init" {
  const path: string;
  export default path;
}
declare module "*.so" {
  const path: string;
  export default path;
}
