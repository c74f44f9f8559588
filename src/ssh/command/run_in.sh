#!/bin/sh
# Runs a command in a directory, with variables.
#
# $1 token, $2 directory, $3 command, then the variables as NAME=value. A word with a backslash is decoded first: \n is
# a newline and \\ a backslash, because no way to quote a newline is common to csh and the other shells.
#
# Prints the token on stderr and runs nothing if the directory cannot be entered. The variables are set for the
# command's shell alone: a PATH among them may lead nowhere.

# Decodes $1 into v. The dot keeps newlines at the end.
x() {
    v=$1
    case $v in
    *[\\]*)
        v=$(printf %b. "$v")
        v=${v%.}
        ;;
    esac
}

t=$1
x "$2"
d=$v
x "$3"
c=$v
shift 3
for a do
    shift
    x "$a"
    set -- "$@" "$v"
done

# A leading ~ is the remote home. CDPATH and a directory named "-" have no special meaning.
if [ -n "$d" ]; then
    # The pattern means the tilde itself.
    # shellcheck disable=SC2088
    case $d in
    "~" | "~/"*) d=$HOME${d#"~"} ;;
    -*) d=./$d ;;
    esac
    # shellcheck disable=SC1007
    CDPATH= cd -- "$d" >/dev/null || { echo "$t" >&2; exit 1; }
fi
exec env "$@" "${SHELL:-/bin/sh}" -c "$c"
