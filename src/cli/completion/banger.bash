# shellcheck shell=bash
# Completion of banger for bash, with bash-completion or without. Made by: banger completion bash

_banger() {
  local line=${COMP_LINE:0:COMP_POINT} words=() word i answer kind split

  # Bash has split the line at = and :, too, which are parts of words here.
  line=${line#"${line%%[![:blank:]]*}"}
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    # Of the word under the cursor, what is before the cursor.
    [[ $line == "$word"* ]] || word=$line
    if ((i == 0)) || [[ $split ]]; then words+=("$word"); else words[${#words[@]} - 1]+=$word; fi
    line=${line#"$word"}
    split=${line%%[![:blank:]]*}
    line=${line#"$split"}
  done
  # As bash would read it; names of banger's need no quotes.
  for i in "${!words[@]}"; do words[i]=${words[i]//[\\\'\"]/}; done

  answer=$(command banger internal complete -- "${words[@]:1}" 2>/dev/null </dev/null) || return 0
  kind=${answer%%$'\n'*}
  case $kind in
    files) compopt -o default 2>/dev/null ;;
    directories) compopt -o dirnames 2>/dev/null ;;
  esac

  local typed=${words[${#words[@]} - 1]} begun='' candidate
  # Readline replaces what is behind the last of the characters that split words.
  [[ $COMP_WORDBREAKS == *=* && $typed == *=* ]] && begun=${typed%"${typed##*=}"}
  [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && begun=${typed%"${typed##*:}"}
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    [[ $candidate == "$typed"* ]] || continue
    printf -v candidate %q "${candidate#"$begun"}"
    COMPREPLY+=("$candidate")
  done < <(tail -n +2 <<<"$answer")
  # Readline offers files by itself only where there is nothing else.
  if [[ $kind == files ]] && ((${#COMPREPLY[@]})); then
    while IFS= read -r candidate; do
      [[ -d $candidate ]] && candidate+=/
      printf -v candidate %q "$candidate"
      COMPREPLY+=("$candidate")
    done < <(compgen -f -- "$typed")
  fi
  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:/] ]] && compopt -o nospace 2>/dev/null
}

complete -F _banger banger
