#compdef strongroom
# zsh completion of strongroom. Written by ./scripts/reference from the commands: do not edit.
#
#   source <(strongroom completion zsh)        after compinit; or as _strongroom in a folder of fpath
#
# Words and options stand here; names that change are asked of `strongroom _complete`. Nothing that is
# typed or answered is evaluated: no eval, no (e) flag, no program but `strongroom` from PATH.

#TABLES

# What an option takes: the kind of its value in __sr_kind, nothing for a flag; fails if unknown.
__strongroom_option() {
    local one
    for one in $opts; do
        if [[ ${one%%[=:]*} == "$1" ]]; then
            __sr_kind=''
            [[ $one == -[^:]#=* ]] && __sr_kind=${${one#*=}%%:*}
            return 0
        fi
    done
    return 1
}

# Candidates of a kind.
__strongroom_value() {
    local -a answers
    case $1 in
        words,*) answers=(${(s:,:)1#words,}); compadd -- $answers ;;
        file) _files ;;
        dir) _files -/ ;;
        transaction) compadd -- $__sr_transactions ;;
        query) compadd -- $__sr_queries ;;
        change) compadd -- $__sr_changes ;;
        arguments)
            __strongroom_arguments "$__sr_operation"
            compadd -S '' -- $names ;;
        node|identity|id)
            answers=("${(@f)$(command strongroom _complete "$1" "$__sr_dir" "${(Q)PREFIX}" 2>/dev/null)}")
            answers=(${answers:#})
            compadd -- $answers ;;
    esac
}

_strongroom() {
    emulate -L zsh
    setopt extendedglob
    local -a subs opts args names shown
    local one path_='' expecting='' literal='' __sr_kind='' __sr_dir='' __sr_operation=''
    local -i position=0
    __strongroom_table ''
    for one in "${(@)words[2,CURRENT-1]}"; do
        one=${(Q)one}
        if [[ -n $expecting ]]; then
            [[ $expecting == --dir ]] && __sr_dir=$one
            expecting=''
        elif [[ -z $literal && $one == -- ]]; then literal=1
        elif [[ -z $literal && $one == --dir=* ]]; then __sr_dir=${one#--dir=}
        elif [[ -z $literal && $one == -?* ]]; then
            __strongroom_option "$one" && [[ -n $__sr_kind ]] && expecting=$one
        elif (( ${subs[(I)${(b)one}:*]} )); then
            path_="${path_:+$path_ }$one"
            __strongroom_table "$path_"
        else
            (( position == 0 )) && __sr_operation=$one
            (( position++ ))
        fi
    done
    [[ $__sr_dir == '~/'* ]] && __sr_dir=$HOME/${__sr_dir#'~/'}
    if [[ -n $expecting ]]; then
        __strongroom_option "$expecting"
        __strongroom_value "$__sr_kind"
    elif [[ -z $literal && $PREFIX == --*=* ]]; then
        __strongroom_option "${PREFIX%%=*}" && compset -P '--[^=]#=' && __strongroom_value "$__sr_kind"
    elif [[ -z $literal && $PREFIX == -* ]]; then
        for one in $opts; do shown+=("${one%%[=:]*}:${one#*:}"); done
        _describe -o option shown
    elif (( $#subs )); then
        _describe command subs
    else
        while (( $#args > 1 && position > 0 )); do shift args; (( position-- )); done
        [[ ${args[1]:-} == *+ || $position == 0 ]] && __strongroom_value "${${args[1]:-}%+}"
    fi
}

if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _strongroom "$@"
else
    compdef _strongroom strongroom
fi
