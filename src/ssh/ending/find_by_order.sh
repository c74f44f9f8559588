#!/bin/sh
# Finds the process groups of our commands and puts them into t, each with a minus sign, as kill takes them.
#
# $0 token, $1 number of commands that should be running, $2 which of them (0: all).
# Prints "TOKEN found", or one of these and exits:
#   TOKEN stranger       the parent process serves other connections too, or is no SSH server
#   TOKEN unsure COUNT   the children are not the commands that should be running
#
# sshd starts the commands of a connection in the order of their requests. Linux lists children in the order of their
# creation, so the second child is the second command. On other systems only a single child is unmistakable.
#
# No single quote, backslash or exclamation mark: the login shell reads the script as a quoted word, and csh gives
# these a meaning.

n=
if [ -r /proc/$PPID/comm ]; then
    read -r n </proc/$PPID/comm
else
    n=$(ps -o comm= -p $PPID 2>/dev/null)
fi
case $n in
*sshd* | *dropbear*) ;;
*)
    echo "$0 stranger"
    exit
    ;;
esac

f=/proc/$PPID/task/$PPID/children
k=0
t=
if [ -r $f ]; then
    read -r c <$f
else
    c=$(ps -A -o ppid= -o pid= | while read -r p q; do [ "$p" = "$PPID" ] && echo "$q"; done)
    [ "$1" = 1 ] || [ "$2" = 0 ] || c=
fi
for p in $c; do
    # Younger children than this script are no commands that should be running.
    [ "$p" = $$ ] && break
    k=$((k+1))
    if [ "$2" = 0 ] || [ "$k" = "$2" ]; then t="$t -$p"; fi
done
[ "$2" = 0 ] || [ "$k" = "$1" ] || t=
if [ -z "$t" ]; then
    echo "$0 unsure $k"
    exit
fi
echo "$0 found"
