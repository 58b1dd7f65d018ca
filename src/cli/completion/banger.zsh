#compdef banger
# Completion of banger for zsh. Made by: banger completion zsh

_banger() {
  local answer line word
  local -a lines typed names shown
  integer widest=0

  # Words as zsh reads them, up to the cursor.
  typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
  answer=$(command banger internal complete -- "${typed[@]}" 2>/dev/null </dev/null) || return 1
  lines=("${(@f)answer}")
  for line in "${(@)lines[2,-1]}"; do
    word=${line%%$'\t'*}
    names+=("$word")
    (( $#word > widest )) && widest=$#word
  done
  for line in "${(@)lines[2,-1]}"; do
    word=${line%%$'\t'*}
    word="${(r:widest:)word}  ${line#*$'\t'}"
    # A line as wide as the terminal is followed by an empty one.
    shown+=("${word[1,COLUMNS-1]}")
  done
  # A word is quoted where it needs it by compadd itself. What a colon ends goes on with a path.
  if (( $#names )); then
    if [[ $names[1] == *: ]]; then compadd -S '' -l -d shown -a names; else compadd -l -d shown -a names; fi
  fi
  case $lines[1] in
    files|directories)
      [[ $PREFIX == --*=* ]] && compset -P '*='
      if [[ $lines[1] == files ]]; then _files; else _path_files -/; fi
      ;;
  esac
}

if [[ $funcstack[1] == _banger ]]; then _banger "$@"; else compdef _banger banger; fi
