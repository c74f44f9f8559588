#!/bin/sh
# Ends, signals or looks at the command that a persistent shell runs.
#
# $0 token, $1 process of the shell, $2 steps of 50 ms between the signals, $3 "end", "look" or a signal, $4 "yes" if
# the shell shall give up the rest of its command, then the processes to spare: children of earlier commands.
# Prints "TOKEN stranger" and exits if the shell is no child of the same server as this script. For "look" prints one
# of stopped, busy, idle, unknown; otherwise "TOKEN found", and then
#   TOKEN sent           the signal was sent
#   TOKEN gone SIGNAL    the command has no process any more after this signal
#   TOKEN left           processes are alive after KILL
#
# A shell without a terminal keeps its commands in its own process group, so a signal to the group would end the shell
# too. The targets are its descendants instead. SIGURG makes bash give up the rest of the command; other shells ignore
# it.
#
# No single quote, backslash or exclamation mark: the login shell reads the script as a quoted word, and csh gives
# these a meaning.

# Everything without quotes is a number, a name of a signal, or a list of numbers that shall be split.
# shellcheck disable=SC2046,SC2086,SC2231

p=$1
n=$2
m=$3
u=$4
shift 4
o=" $* "

# State and parent of the shell. The text before the last parenthesis is its name.
if [ -r /proc/$p/stat ]; then
    read -r r </proc/$p/stat
    set -- ${r##*) }
else
    set -- $(ps -o stat= -o ppid= -p $p 2>/dev/null)
fi
[ "$2" = "$PPID" ] || {
    echo "$0 stranger"
    exit
}

if [ $m = look ]; then
    case $1 in
    T*)
        echo "$0 stopped"
        exit
        ;;
    esac
    # Between commands the shell's input is where commands come from, in a command it is /dev/null.
    case $(ls -l /proc/$p/fd/0 2>/dev/null) in
    *" /dev/null") echo "$0 busy" ;;
    *" -> "*) echo "$0 idle" ;;
    *) echo "$0 unknown" ;;
    esac
    exit
fi

# Adds the descendants of process $1 to t. Where the kernel does not list children, ps does.
k() {
    for f in /proc/$1/task/*/children; do
        if [ -r $f ]; then
            c=
            read -r c <$f
        else
            c=$(ps -A -o pid= -o ppid= 2>/dev/null | while read -r a b; do [ "$b" = "$1" ] && echo $a; done)
        fi
        for x in $c; do
            case $o in
            *" $x "*) ;;
            *) t="$t $x"; k $x ;;
            esac
        done
    done
}

# Sends signal $1 to the processes in t that have not had it yet.
g() {
    for x in $t; do
        case $q in
        *" $x "*) ;;
        *) kill -s $1 $x 2>/dev/null; q="$q$x " ;;
        esac
    done
}

echo "$0 found"
if [ $m = end ]; then
    for s in INT TERM KILL; do
        q=" "
        kill -s URG $p 2>/dev/null
        w=0
        # New descendants may have appeared in each step.
        while [ $w -lt $n ]; do
            t=
            k $p
            if [ -z "$t" ]; then
                echo "$0 gone $s"
                exit
            fi
            g $s
            # Some hosts sleep for whole seconds only.
            sleep 0.05 2>/dev/null || { sleep 1; w=$((w+19)); }
            w=$((w+1))
        done
    done
    echo "$0 left"
    exit
fi

# A command that was just sent may not have started anything yet.
q=" "
w=0
while
    t=
    [ $u = yes ] && kill -s URG $p 2>/dev/null
    k $p
    [ -z "$t" ] && [ $w -lt 10 ]
do
    sleep 0.05 2>/dev/null || w=10
    w=$((w+1))
done
g $m
echo "$0 sent"
