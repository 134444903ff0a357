# bash completion of strongroom. Written by ./scripts/reference from the commands: do not edit.
#
#   source <(strongroom completion bash)
#
# Words and options stand here; names that change are asked of `strongroom _complete`. Nothing that is
# typed or answered is evaluated: no eval, no compgen -W, no program but `strongroom` from PATH.

#TABLES

# The words of the line up to the cursor, unquoted, into __sr_words; the last one is being typed.
__strongroom_split() {
    local line=${COMP_LINE:0:COMP_POINT} char quote='' word='' begun='' at
    __sr_words=()
    for ((at = 0; at < ${#line}; at++)); do
        char=${line:at:1}
        if [[ $quote == "'" || $quote == '"' ]]; then
            if [[ $char == "$quote" ]]; then quote=''
            elif [[ $quote == '"' && $char == \\ ]]; then ((at++)); word+=${line:at:1}
            else word+=$char; fi
        elif [[ $char == \\ ]]; then ((at++)); word+=${line:at:1}; begun=1
        elif [[ $char == "'" || $char == '"' ]]; then quote=$char; begun=1
        elif [[ $char == ' ' || $char == $'\t' ]]; then
            [[ -n $begun ]] && __sr_words+=("$word")
            word='' begun=''
        else word+=$char; begun=1; fi
    done
    __sr_words+=("$word")
}

# What an option takes: the kind of its value in __sr_kind, nothing for a flag; fails if unknown.
__strongroom_option() {
    local one
    for one in $opts; do
        if [[ ${one%%=*} == "$1" ]]; then
            __sr_kind=''
            [[ $one == *=* ]] && __sr_kind=${one#*=}
            return 0
        fi
    done
    return 1
}

# Those of the words after the first two arguments (kept in front of each; typed) that fit.
__strongroom_offer() {
    local before=$1 typed=$2 one
    shift 2
    for one in "$@"; do
        [[ $one == "$typed"* ]] && COMPREPLY+=("$before$one")
    done
}

# Candidates of a kind for what is typed.
__strongroom_value() {
    local kind=$1 typed=$2 before=$3 line answers=()
    case $kind in
        words,*)
            IFS=, read -ra answers <<<"${kind#words,}"
            __strongroom_offer "$before" "$typed" "${answers[@]}" ;;
        file) compopt -o default ;;
        dir) compopt -o dirnames ;;
        transaction) __strongroom_offer "$before" "$typed" $__sr_transactions ;;
        query) __strongroom_offer "$before" "$typed" $__sr_queries ;;
        change) __strongroom_offer "$before" "$typed" $__sr_changes ;;
        arguments)
            __strongroom_arguments "$__sr_operation"
            __strongroom_offer "$before" "$typed" $words
            compopt -o nospace ;;
        node | identity | id)
            while IFS= read -r line; do
                [[ $line =~ ^[A-Za-z0-9_.-]+$ ]] && answers+=("$line")
            done \
                < <(command strongroom _complete "$kind" "$__sr_dir" "$typed" 2>/dev/null)
            __strongroom_offer "$before" "$typed" "${answers[@]}" ;;
    esac
}

__strongroom() {
    local subs opts args words one path='' position=0 expecting='' literal='' typed before=''
    local __sr_words __sr_kind __sr_dir='' __sr_operation='' last
    COMPREPLY=()
    __strongroom_split
    last=$((${#__sr_words[@]} - 1))
    typed=${__sr_words[last]}
    __strongroom_table ''
    for one in "${__sr_words[@]:1:last-1}"; do
        if [[ -n $expecting ]]; then
            [[ $expecting == --dir ]] && __sr_dir=$one
            expecting=''
        elif [[ -z $literal && $one == -- ]]; then literal=1
        elif [[ -z $literal && $one == --dir=* ]]; then __sr_dir=${one#--dir=}
        elif [[ -z $literal && $one == -?* ]]; then
            __strongroom_option "$one" && [[ -n $__sr_kind ]] && expecting=$one
        elif [[ -n $subs && " $subs " == *" $one "* ]]; then
            path="${path:+$path }$one"
            __strongroom_table "$path"
        else
            ((position == 0)) && __sr_operation=$one
            ((position++))
        fi
    done
    [[ $__sr_dir == '~/'* ]] && __sr_dir=$HOME/${__sr_dir#'~/'}
    if [[ -n $expecting ]]; then
        __strongroom_option "$expecting"
        __strongroom_value "$__sr_kind" "$typed" ''
    elif [[ -z $literal && $typed == --*=* ]]; then
        [[ $COMP_WORDBREAKS == *=* ]] || before=${typed%%=*}=
        __strongroom_option "${typed%%=*}" && __strongroom_value "$__sr_kind" "${typed#*=}" "$before"
    elif [[ -z $literal && $typed == -* ]]; then
        for one in $opts; do __strongroom_offer '' "$typed" "${one%%=*}"; done
    elif [[ -n $subs ]]; then
        __strongroom_offer '' "$typed" $subs
    else
        set -- $args
        while (($# > 1 && position > 0)); do shift; ((position--)); done
        [[ ${1:-} == *+ || $position == 0 ]] && __strongroom_value "${1%+}" "$typed" ''
    fi
    return 0
}

complete -F __strongroom strongroom
