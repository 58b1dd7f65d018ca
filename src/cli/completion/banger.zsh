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
    shown+=("${(r:widest:)word}  ${line#*$'\t'}")
  done
  # A word is quoted where it needs it by compadd itself.
  (( $#names )) && compadd -l -d shown -a names
  case $lines[1] in
    files|directories)
      [[ $PREFIX == --*=* ]] && compset -P '*='
      if [[ $lines[1] == files ]]; then _files; else _path_files -/; fi
      ;;
  esac
}

if [[ $funcstack[1] == _banger ]]; then _banger "$@"; else compdef _banger banger; fi
