/** What a repository's files suggest of its VM. Guesses, for a person to correct: nothing is run, and words are our own. */
import { hintFile, nodeEngine } from "./hint-files.ts";

export interface Findings {
  /** A line each. */
  languages: string[];
  /** Files that mise reads. */
  toolFiles: string[];
  /** Commands that may be its tests. */
  tests: string[];
  /** Commands that may make it ready. */
  setups: string[];
  ports: { port: number; of: string }[];
  /** Files that are there, and usually not tracked. */
  untracked: string[];
}

interface Sign {
  file: string;
  language?: string;
  test?: { when: Pick<RegExp, "test">; run: string };
  setup?: string;
}

const always = /(?:)/;

/** The first whose test fits says how it is tested. */
const signs: readonly Sign[] = [
  { file: "Makefile", test: { when: targets("test"), run: "make test" } },
  { file: "justfile", test: { when: /^test\b.*:/m, run: "just test" } },
  { file: "package.json", language: "Node.js (package.json)", test: { when: /"test"\s*:/, run: "npm test" } },
  { file: "package-lock.json", setup: "npm ci" },
  { file: "pnpm-lock.yaml", setup: "pnpm install --frozen-lockfile" },
  { file: "yarn.lock", setup: "yarn install --immutable" },
  { file: "deno.json", language: "Deno (deno.json)", test: { when: always, run: "deno test" } },
  {
    file: "go.mod",
    language: "Go (go.mod)",
    test: { when: always, run: "go test ./..." },
    setup: "go mod download",
  },
  {
    file: "Cargo.toml",
    language: "Rust (Cargo.toml)",
    test: { when: always, run: "cargo test" },
    setup: "cargo fetch",
  },
  {
    file: "pyproject.toml",
    language: "Python (pyproject.toml)",
    test: { when: always, run: "python3 -m pytest" },
  },
  {
    file: "requirements.txt",
    language: "Python (requirements.txt)",
    setup: "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
  },
  {
    file: "Gemfile",
    language: "Ruby (Gemfile)",
    test: { when: always, run: "bundle exec rake test" },
    setup: "bundle install",
  },
  { file: "composer.json", language: "PHP (composer.json)", setup: "composer install" },
  { file: "pom.xml", language: "Java (pom.xml)", test: { when: always, run: "mvn test" } },
  { file: "build.gradle", language: "Java (build.gradle)", test: { when: always, run: "./gradlew test" } },
  {
    file: "build.gradle.kts",
    language: "Kotlin (build.gradle.kts)",
    test: { when: always, run: "./gradlew test" },
  },
  {
    file: "mix.exs",
    language: "Elixir (mix.exs)",
    test: { when: always, run: "mix test" },
    setup: "mix deps.get",
  },
  { file: "CMakeLists.txt", language: "C or C++ (CMakeLists.txt)" },
];

/** Where servers of the frameworks listen by themselves. */
const frameworks: readonly { file: string; when: RegExp; port: number; of: string }[] = [
  { file: "package.json", when: /"next"\s*:/, port: 3000, of: "Next.js" },
  { file: "package.json", when: /"nuxt"\s*:/, port: 3000, of: "Nuxt" },
  { file: "package.json", when: /"react-scripts"\s*:/, port: 3000, of: "Create React App" },
  { file: "package.json", when: /"vite"\s*:/, port: 5173, of: "Vite" },
  { file: "package.json", when: /"astro"\s*:/, port: 4321, of: "Astro" },
  { file: "package.json", when: /"@angular\/core"\s*:/, port: 4200, of: "Angular" },
  { file: "Gemfile", when: /\brails\b/, port: 3000, of: "Rails" },
  { file: "manage.py", when: /\bdjango\b/, port: 8000, of: "Django" },
  { file: "requirements.txt", when: /^(?:fastapi|uvicorn)\b/im, port: 8000, of: "Uvicorn" },
  { file: "requirements.txt", when: /^flask\b/im, port: 5000, of: "Flask" },
  { file: "pyproject.toml", when: /\b(?:fastapi|uvicorn)\b/i, port: 8000, of: "Uvicorn" },
  { file: "pyproject.toml", when: /\bflask\b/i, port: 5000, of: "Flask" },
  { file: "pom.xml", when: /\bspring-boot\b/, port: 8080, of: "Spring Boot" },
  { file: "mix.exs", when: /:phoenix\b/, port: 4000, of: "Phoenix" },
];

const toolFiles = ["mise.toml", ".mise.toml", ".tool-versions"];
const usuallyUntracked = [".env", ".envrc", ".npmrc"];

export function look(root: string): Findings {
  const texts = new Map<string, string | undefined>();
  const read = (file: string): string | undefined => {
    if (!texts.has(file)) texts.set(file, hintFile(root, file));
    return texts.get(file);
  };
  const found = signs.flatMap((sign) => {
    const text = read(sign.file);
    return text === undefined ? [] : [{ ...sign, text }];
  });
  const engine = engineOf(read("package.json"));
  const ports = frameworks.filter(({ file, when }) => when.test(read(file) ?? ""));
  return {
    languages: found.flatMap(({ file, language }) =>
      language === undefined
        ? []
        : [
            file === "package.json" && engine !== undefined
              ? `${language}, engines.node ${engine}`
              : language,
          ],
    ),
    toolFiles: toolFiles.filter((file) => read(file) !== undefined),
    tests: found.flatMap(({ test, text }) => (test?.when.test(text) === true ? [test.run] : [])),
    setups: [
      ...madeReadyBy(read("Makefile")),
      ...found.flatMap(({ setup }) => (setup === undefined ? [] : [setup])),
    ],
    ports: ports
      .filter(({ port }, index) => ports.findIndex((other) => other.port === port) === index)
      .map(({ port, of }) => ({ port, of })),
    untracked: usuallyUntracked.filter((file) => read(file) !== undefined),
  };
}

/** What a Makefile usually calls what makes a repository ready, the first that it has. */
function madeReadyBy(makefile = ""): string[] {
  const target = ["deps", "setup", "bootstrap"].find((name) => targets(name).test(makefile));
  return target === undefined ? [] : [`make ${target}`];
}

/** A rule for it, alone or with others, and no assignment (`test := ...`). */
function targets(name: string): Pick<RegExp, "test"> {
  return {
    test: (makefile) =>
      makefile.split("\n").some((line) => {
        const colon = line.indexOf(":");
        const isRule = colon > 0 && !line.startsWith("\t") && !/^:{1,3}=/.test(line.slice(colon));
        return isRule && line.slice(0, colon).split(/\s+/).includes(name);
      }),
  };
}

/** The version of Node.js that a package.json asks for, when it reads like one. */
function engineOf(text: string | undefined): string | undefined {
  const version = nodeEngine(text);
  return version !== undefined && /^[0-9A-Za-z.<>=^~|* -]{1,40}$/.test(version) ? version : undefined;
}
