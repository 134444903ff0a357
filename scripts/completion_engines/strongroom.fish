# fish completion of strongroom. Written by ./scripts/reference from the commands: do not edit.
#
#   strongroom completion fish | source
#
# Words and options stand here; names that change are asked of `strongroom _complete`. Nothing that is
# typed or answered is evaluated: no eval, no program but `strongroom` from PATH.

#TABLES

# What an option takes: prints the kind of its value, nothing for a flag; fails if it is unknown.
function __strongroom_option
    for one in $__sr_opts
        set -l parts (string split -m 2 \t -- $one)
        if test "$parts[1]" = "$argv[1]"
            printf '%s\n' $parts[2]
            return 0
        end
    end
    return 1
end

# Candidates of a kind: KIND TYPED BEFORE.
function __strongroom_value
    switch $argv[1]
        case 'words,*'
            printf "$argv[3]%s\n" (string split , -- (string replace words, '' -- $argv[1]))
        case file
            __fish_complete_path $argv[2]
        case dir
            __fish_complete_directories $argv[2]
        case transaction
            printf '%s\n' $__sr_transactions
        case query
            printf '%s\n' $__sr_queries
        case change
            printf '%s\n' $__sr_changes
        case arguments
            __strongroom_arguments "$__sr_operation"
        case node identity id
            for one in (command strongroom _complete $argv[1] "$__sr_dir" "$argv[2]" 2>/dev/null)
                printf '%s%s\n' $argv[3] $one
            end
    end
end

function __strongroom_candidates
    set -l tokens (commandline -opc)
    set -l typed (commandline -ct)
    set -l way ''
    set -l position 0
    set -l expecting ''
    set -l literal ''
    set -g __sr_dir ''
    set -g __sr_operation ''
    __strongroom_table ''
    for one in $tokens[2..-1]
        set one (string unescape -- $one; or printf '%s\n' $one)
        if test -n "$expecting"
            test "$expecting" = --dir; and set __sr_dir $one
            set expecting ''
        else if test -z "$literal" -a "$one" = --
            set literal 1
        else if test -z "$literal"; and string match -q -- '--dir=*' $one
            set __sr_dir (string replace -- --dir= '' $one)
        else if test -z "$literal"; and string match -q -- '-?*' $one
            set -l kind (__strongroom_option $one); and test -n "$kind"; and set expecting $one
        else if contains -- $one (string replace -r -- '\t.*' '' $__sr_subs)
            set way (string trim -- "$way $one")
            __strongroom_table $way
        else
            test $position -eq 0; and set __sr_operation $one
            set position (math $position + 1)
        end
    end
    string match -q -- '~/*' $__sr_dir; and set __sr_dir $HOME/(string sub -s 3 -- $__sr_dir)
    if test -n "$expecting"
        __strongroom_value (__strongroom_option $expecting) "$typed" ''
    else if test -z "$literal"; and string match -q -- '--*=*' $typed
        set -l parts (string split -m 1 = -- $typed)
        set -l kind (__strongroom_option $parts[1]); and __strongroom_value "$kind" "$parts[2]" "$parts[1]="
    else if test -z "$literal"; and string match -q -- '-*' $typed
        for one in $__sr_opts
            set -l parts (string split -m 2 \t -- $one)
            printf '%s\t%s\n' $parts[1] $parts[3]
        end
    else if test (count $__sr_subs) -gt 0
        printf '%s\n' $__sr_subs
    else
        set -l kinds $__sr_args
        while test (count $kinds) -gt 1 -a $position -gt 0
            set -e kinds[1]
            set position (math $position - 1)
        end
        if test (count $kinds) -gt 0
            if string match -q -- '*+' $kinds[1]; or test $position -eq 0
                __strongroom_value (string trim -r -c + -- $kinds[1]) "$typed" ''
            end
        end
    end
end

complete -c strongroom -e
complete -c strongroom -f -a '(__strongroom_candidates)'
