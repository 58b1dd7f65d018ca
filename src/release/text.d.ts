/** What `import text from "FILE" with { type: "text" }` gives: the file's content. */
declare module "*.pem" {
  const text: string;
  export default text;
}
declare module "*.txt" {
  const text: string;
  export default text;
}
