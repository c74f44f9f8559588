#!/bin/sh
# Makes another POSIX shell ready for frames, as far as POSIX goes. dash and busybox know one digit of a descriptor and
# no readonly functions, and there is no way to give up a list of commands. There is no line to die of either, because
# dash reads ahead.
exec 8>&1 9>&2 >/dev/null 2>&1

# __mcp_sh STATUS TOKEN [x]: ends a frame, and prints the state unless there is an x.
__mcp_sh() {
    command printf '%se' "$2" >&9
    command printf '%se%d %s\0' "$2" "$1" "${PWD-}" >&8
    [ -n "${3-}" ] || { umask >&8; export -p >&8; command printf '\0\0%s\0%sz' "$-" "$2" >&8; }
}
