/** What `import text from "FILE" with { type: "text" }` gives: the file's content. */
declare module "*.service" {
  const text: string;
  export default text;
}
declare module "*.rules" {
  const text: string;
  export default text;
}
declare module "*.socket" {
  const text: string;
  export default text;
}
