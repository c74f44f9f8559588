#!/bin/sh
# Finds the process groups of our commands and puts them into t, each with a minus sign, as kill takes them.
#
# $0 token, which is the mark of this script, $1 the commands that may be running, oldest first, $2 the mark of the
# command to find (0: all commands).
# Each command in $1 is a letter and a mark, with a colon between two: o and s for a command and an SFTP server whose
# channel is open, c and z for those whose channel was closed before the host reported their end.
# Prints "TOKEN found", or one of these and exits:
#   TOKEN stranger       the parent process serves other connections too, or is no SSH server
#   TOKEN fewer COUNT    the commands without an open channel are not among the children
#   TOKEN unsure COUNT   the command cannot be told from other children
#
# A command carries its mark in its environment, where the server admits the variable. A command without a mark has
# emptied its environment or belongs to another user (set-uid programs); the order tells such commands apart. sshd
# starts the commands of a connection in the order of their requests, and Linux lists children in the order of their
# creation: the second child without a mark is the second command without a mark. Where the server does not admit the
# variable, no command has a mark. On systems that do not list children, only a single child is unmistakable.
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

# Whether the server admits the variable, in which this script has its own mark.
w=
case "$LC_MCP_SSH=$XMODIFIERS" in
"$0="* | *"@LC_MCP_SSH=$0") w=1 ;;
esac

f=/proc/$PPID/task/$PPID/children
o=
if [ -r $f ]; then
    o=1
    read -r c <$f
else
    c=$(ps -A -o ppid= -o pid= | while read -r p q; do [ "$p" = "$PPID" ] && echo "$q"; done)
fi
k=0
t=
# Children without a mark, and the marks of the others.
u=
v=" "
for p in $c; do
    # Younger children than this script are no commands that should be running.
    [ "$p" = $$ ] && break
    k=$((k+1))
    if [ "$2" = 0 ]; then
        t="$t -$p"
        continue
    fi
    # The variables of the child as words. There is no backslash for tr to name the zero bytes with.
    e=" $(tr -cs "A-Za-z0-9_=" " " 2>/dev/null </proc/"$p"/environ) "
    m=
    case $e in
    *" LC_MCP_SSH=$2 "*)
        t="$t -$p"
        continue
        ;;
    *" LC_MCP_SSH="*)
        m=${e##* LC_MCP_SSH=}
        m=${m%% *}
        ;;
    esac
    case ":$1:" in
    *:?"$m":*) [ -n "$m" ] && v="$v$m " && continue ;;
    esac
    # SFTP in a process of sshd itself carries no mark even where commands do.
    x=
    [ -n "$w" ] && x=$(tr -cs "A-Za-z0-9@-" " " 2>/dev/null </proc/"$p"/cmdline)
    case $x in
    sshd*@internal-sftp*) ;;
    *) u="$u $p" ;;
    esac
done

if [ -z "$t" ]; then
    # Commands in $1 without a child that has their mark: all of them, those with an open channel, and the place of
    # the command to find.
    i=0
    y=0
    a=0
    IFS=:
    for e in $1; do
        m=${e#?}
        case $v in
        *" $m "*) continue ;;
        esac
        case $e in
        s* | z*) [ -n "$w" ] && continue ;;
        esac
        i=$((i+1))
        case $e in
        o* | s*) y=$((y+1)) ;;
        esac
        [ "$m" = "$2" ] && a=$i
    done
    unset IFS
    j=0
    q=
    for p in $u; do
        j=$((j+1))
        [ $j = $a ] && q=$p
    done
    if [ $j = $i ] && [ -n "$q" ]; then
        if [ $j = 1 ] || [ -n "$o" ]; then t=" -$q"; fi
    elif [ $j = $y ]; then
        # dropbear reports the end of a command late, so there a command with an open channel may have ended.
        case $n in
        *sshd*)
            echo "$0 fewer $k"
            exit
            ;;
        esac
    fi
fi
if [ -z "$t" ]; then
    echo "$0 unsure $k"
    exit
fi
echo "$0 found"
