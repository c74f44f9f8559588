#!/bin/sh
# Ends or signals the process groups in t, which the script before this one has found.
#
# $0 token, $3 steps of 50 ms between the signals, $4 a single signal to send in place of INT, TERM and KILL.
# Prints one of these:
#   TOKEN sent           the single signal was sent
#   TOKEN gone SIGNAL    no process of the groups is alive after this signal
#   TOKEN left           processes are alive after KILL
#
# kill gets its signal in the short form: after -s, dash needs -- before a negative number and busybox refuses it.
#
# No single quote, backslash or exclamation mark, as before.

# Everything without quotes is a number, a name of a signal, or the list t of numbers that shall be split.
# shellcheck disable=SC2086,SC2154

# Succeeds if a process of the groups is alive. A process that is dead and not yet reaped does not count.
l() {
    ps -A -o pgid= -o stat= 2>/dev/null | {
        r=1
        n=
        while read -r p q; do
            n=1
            case $q in
            Z*) ;;
            *) for g in $t; do [ "-$p" = "$g" ] && r=0; done ;;
            esac
        done
        # Without ps nothing is known, so the processes count as alive.
        [ -z "$n" ] && r=0
        exit $r
    }
}

# A child that was just forked leads its group a moment later.
for g in $t; do
    w=0
    while kill -0 ${g#-} 2>/dev/null; do
        kill -0 $g 2>/dev/null && break
        w=$((w+1))
        [ $w -gt 40 ] && break
        sleep 0.05 2>/dev/null || sleep 1
    done
done

if [ -n "$4" ]; then
    kill -$4 $t && echo "$0 sent"
    exit
fi

for s in INT TERM KILL; do
    kill -$s $t 2>/dev/null
    w=0
    while [ $w -lt $3 ]; do
        a=
        for g in $t; do kill -0 $g 2>/dev/null && a=1; done
        if [ -z "$a" ]; then
            echo "$0 gone $s"
            exit
        fi
        # Some hosts sleep for whole seconds only.
        sleep 0.05 2>/dev/null || { sleep 1; w=$((w+19)); }
        w=$((w+1))
    done
    # The groups exist; their processes may all be dead.
    l || {
        echo "$0 gone $s"
        exit
    }
done
echo "$0 left"
