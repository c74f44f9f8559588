#!/bin/bash
# Makes a bash ready for frames: descriptors 98 and 99 keep the real streams, and the shell's own output goes nowhere.
#
# No line here calls a reserved word or an alias, and commands that users may redefine are called through builtin.
exec 98>&1 99>&2 1>/dev/null 2>/dev/null

# __mcp_sh STATUS TOKEN [x]: ends a frame. First undoes __mcp_ab, then prints the marks, then reads the line that is a
# syntax error; a shell that does not get this far dies of that line. Prints the state too, unless there is an x.
__mcp_sh() {
    __mcp_r=
    \builtin enable builtin enable eval export printf read umask
    if [[ ${__mcp_d-} ]]; then
        \builtin trap - DEBUG
        [[ $__mcp_d == *X* ]] || \builtin shopt -u extdebug
        [[ $__mcp_d == *T* ]] || \builtin set +T
        [[ $__mcp_d == *E* ]] || \builtin set +E
        __mcp_d=
        \builtin set -- "$__mcp_s" "${@:2}"
    fi
    \builtin printf '%se' "$2" >&99 && \builtin printf '%se%d %s\0' "$2" "$1" "${PWD-}" >&98 && \builtin read -r __mcp_c && { [[ $__mcp_c == ")" ]] || \builtin exit 2; } && { [[ ${3-} ]] || __mcp_st "$2"; }
}

# __mcp_st TOKEN: prints the state, which is umask, exported variables, child processes and options.
__mcp_st() {
    \builtin umask >&98
    \builtin export -p >&98
    __mcp_c=
    \builtin read -r __mcp_c </proc/$$/task/$$/children || \builtin true
    \builtin printf '\0%s\0%s\0%sz' "$__mcp_c" "$-" "$1" >&98
}

# __mcp_ab: gives the running command up. From here on a DEBUG trap skips everything but the frame's end, with extdebug.
# __mcp_r is set while a command runs, __mcp_d keeps the options that were set before, __mcp_s the exit status.
__mcp_ab() {
    __mcp_s=$?
    [[ ${__mcp_r-} ]] || \builtin return 0
    __mcp_r=
    __mcp_d=-$-
    \builtin shopt -q extdebug && __mcp_d+=X
    \builtin shopt -s extdebug
    \builtin trap '[[ ${FUNCNAME-} == __mcp_* || $BASH_COMMAND == *__mcp_sh* ]] || { \builtin break 99999; __mcp_no; } 2>/dev/null' DEBUG
}

# Under extdebug, a DEBUG trap that returns 2 makes bash return from the function that it is in.
__mcp_no() { \builtin return 2; }

\builtin readonly -f __mcp_sh __mcp_st __mcp_ab __mcp_no
# The break must stand in the trap itself: in a function it does not leave the loops around the trap.
\builtin trap '__mcp_ab; \builtin break 99999 2>/dev/null' INT URG
