#!/bin/sh
# The first line for a new shell, in any dialect. Prints the shell's process, the version if the shell is bash, and "f"
# if the shell has functions from its environment, in the form of a frame's end. TOKEN is replaced.
printf '%se' TOKEN >&2
# Only bash knows declare; another shell finds no functions.
# shellcheck disable=SC3044
printf '%se%d %s %s %s\0' TOKEN 0 "$$" "${BASH_VERSION-}" "$(test -n "$(declare -F 2>/dev/null)" && echo f)"
