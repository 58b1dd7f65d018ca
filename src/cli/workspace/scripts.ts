/**
 * What banger has a guest's shell do with a workspace. POSIX sh and git: images are of many kinds.
 *
 * The work tree as it is becomes a tree object by an index and an object store of the moment, both inside the guest's git
 * directory (on its file system: git writes aside and renames), so that the guest's own index, references, work tree and
 * objects stay as they are.
 */

const refuse = `refuse() { printf '%s\\n' "$1" >&2; exit 65; }`;

/** Sets top, dir, objects, head, prepared and its tree, by one call of git: under emulation each takes a quarter of a second. */
const enter = `
set -eu
${refuse}
command -v git >/dev/null 2>&1 || refuse "git is not installed in the guest"
cd -- "$1" 2>/dev/null || refuse "there is no directory $1 in the guest"
export LC_ALL=C GIT_OPTIONAL_LOCKS=0 GIT_TERMINAL_PROMPT=0 GIT_NO_LAZY_FETCH=1 GIT_PAGER=cat
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY
git() { command git -c safe.directory='*' -c core.fsmonitor=false -c core.hooksPath=/dev/null -c advice.addEmbeddedRepo=false "$@"; }
top='' dir='' objects='' head='' prepared='' preparedtree=''
{
  for name in top dir objects head prepared preparedtree; do IFS= read -r "$name" || :; done
} <<END
$(git rev-parse --show-toplevel --absolute-git-dir --git-path objects 'HEAD^{commit}' \
  'refs/banger/prepared^{commit}' 'refs/banger/prepared^{tree}' 2>/dev/null || :)
END
[ -n "$top" ] || refuse "$1 in the guest is no git repository"
[ "$top" = "$(pwd -P)" ] || refuse "$1 in the guest is inside of another repository, $top"
[ -n "$head" ] || refuse "$1 in the guest has no commit"
case $objects in /*) ;; *) objects=$top/$objects ;; esac
`;

/** From here on git has the work tree in its index; what is made is gone when the script ends, and with a later one if it is killed. */
const snapshot = `
for old in "$dir"/banger-tmp.*; do
  [ ! -d "$old" ] || kill -0 "\${old##*.}" 2>/dev/null || rm -rf "$old"
  [ ! -d "$old" ] || find "$old" -maxdepth 0 -mmin +60 -exec rm -rf {} + || :
done
work=$dir/banger-tmp.$$
[ ! -d "$work" ] || rm -rf "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work" "$work/objects"
# With its time, by which git tells that a file may have changed unseen.
if [ -f "$dir/index" ]; then cp -p "$dir/index" "$work/index"; fi
export GIT_INDEX_FILE="$work/index" GIT_OBJECT_DIRECTORY="$work/objects" GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git add -A 2>"$work/said" || { tail -n 1 "$work/said" >&2; exit 1; }
`;

/** What was copied there last: by banger's own reference, else by the recorded commit ($2). */
const base = `
[ -n "$preparedtree" ] || {
  prepared=$(git rev-parse -q --verify "$2^{commit}") || refuse "what was copied to $1 is not known in the guest any more"
  preparedtree=$(git rev-parse "$prepared^{tree}")
}
`;

const patchFlags = "--cached --no-color --no-ext-diff --no-textconv --no-renames --binary --full-index";

/** $1 path, $2 recorded commit: a patch of all that has changed since. */
export const diffScript = `${enter}${base}${snapshot}
git diff ${patchFlags} "$prepared"
`;

/** The same, for people: commits, then files. */
export const statScript = `${enter}${base}${snapshot}
git log --oneline --no-decorate --no-color "$prepared..$head"
git diff --cached --stat=80 --no-color --no-ext-diff --no-textconv "$prepared"
`;

/** $1 path, $2 what to compare with. */
export const exportScript = `${enter}
base=$head
[ "$2" = HEAD ] || base=$(git rev-parse -q --verify "$2^{tree}") || refuse "$2 is no commit in the guest"
${snapshot}
git diff ${patchFlags} "$base"
`;

/**
 * $1 path, $2 recorded commit, $3 a commit that the host has too, or empty. Says "banger-pull 1 HEAD TREE PREPARED", then sends a
 * pack of what these need beyond that commit.
 */
export const pullScript = `${enter}${base}${snapshot}
tree=$(git write-tree)
printf 'banger-pull 1 %s %s %s\\n' "$head" "$tree" "$prepared"
known=''
if [ -n "$3" ] && git cat-file -e "$3^{commit}" 2>/dev/null; then known="^$3"; fi
printf '%s\\n' "$head" "$tree" "$prepared" $known | git pack-objects --revs --stdout --delta-base-offset --window=0 -q
`;

/** $1 path, $2 recorded commit. Says "HEAD TREE PREPARED PREPAREDTREE": what is there, and what was copied there. */
export const stateScript = `${enter}${base}${snapshot}
printf '%s %s %s %s\\n' "$head" "$(git write-tree)" "$prepared" "$preparedtree"
`;

/** $1 path: the tree of what was copied there last, if that is whole. */
export const preparedScript = `
cd -- "$1" 2>/dev/null && [ ! -d .git.banger-old ] || exit 0
git -c safe.directory='*' rev-parse -q --verify 'refs/banger/prepared^{tree}' 2>/dev/null || :
`;

/**
 * $1 path. Says what is there: "nothing", "files" (not of a repository), "halfway" (an earlier prepare was cut short) or
 * "repository"; then NUL-ended records: references and what they point to, an empty one, files as git has them, an empty one, raw
 * differences from what was prepared to what is there.
 */
export const lookScript = `
set -eu
${refuse}
if [ ! -e "$1" ] && [ ! -L "$1" ]; then echo nothing; exit; fi
[ -d "$1" ] || refuse "$1 in the guest is no directory"
if [ -d "$1/.git.banger-old" ]; then echo halfway; exit; fi
if [ ! -e "$1/.git" ]; then
  if [ -z "$(ls -A "$1")" ]; then echo nothing; else echo files; fi
  exit
fi
${enter}${base}${snapshot}
echo repository
git for-each-ref --format='%(objectname) %(refname)' | while IFS= read -r line; do printf '%s\\0' "$line"; done
printf '%s HEAD\\0\\0' "$head"
git ls-files -z -v -s
printf '\\0'
git diff-index --cached -z --raw --no-abbrev --no-renames "$prepared"
`;

const enterForGood = `
set -eu
${refuse}
mkdir -p -- "$1"
cd -- "$1"
[ "$(pwd -P)" != / ] || refuse "the guest's root directory is no place for a workspace"
`;

/**
 * $1 path, input: NUL-ended records, "f" and a file to remove, "d" and a directory to remove if it is empty. The old .git stays
 * aside until the new one is there.
 */
export const removeScript = `${enterForGood}
xargs -0 sh -c '
for record; do
  case $record in
    f*) rm -f -- "./\${record#f}" ;;
    d*) rmdir -- "./\${record#d}" 2>/dev/null || : ;;
  esac
done' banger
mv .git .git.banger-old
`;

/**
 * $1 path. The same where nothing is known of what is there: takes away what git tracks, and what it neither tracks nor ignores.
 */
export const clearScript = `${enterForGood}
if [ -d .git.banger-old ]; then rm -rf .git; mv .git.banger-old .git; fi
[ -e .git ] || exit 0
command -v git >/dev/null 2>&1 || { rm -rf .git; exit 0; }
export LC_ALL=C
git() { command git -c safe.directory='*' -c core.fsmonitor=false -c core.hooksPath=/dev/null "$@"; }
# Before the patterns of what is ignored are taken away themselves.
git clean -fdq
if [ -f .git/index ]; then
  cp .git/index .git/banger-index
  GIT_INDEX_FILE=.git/banger-index git read-tree -u --reset "$(git hash-object -t tree /dev/null)"
  rm -f .git/banger-index
fi
mv .git .git.banger-old
`;

/** $1 path. What was unpacked is complete. */
export const settleScript = `
cd -- "$1" && rm -rf .git.banger-old
`;

/** Holds the guest's lock for copies until its input ends; says a line when it has it. */
export const lockScript = `
if command -v flock >/dev/null 2>&1; then
  for dir in /run /tmp; do [ -w "$dir" ] && break; done
  exec 9>"$dir/banger-workspace.lock" && flock 9
fi
echo locked
cat >/dev/null
`;
