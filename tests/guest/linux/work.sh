#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# 'work.sh FOLDER MIB PAGES_PER_S': work for ever, and say FAIL when something
# is not what it has to be.  Two programs check MIB of memory each, a shell
# reads files and runs processes.  Ends when FOLDER/stop is there.
folder=$1
mkdir -p "$folder"
for n in 0 1; do
    linux-load churn $n "$2" "$3" 200 "$folder/stop" &
done

load_once()
{
    rm -rf "$folder/files"
    mkdir "$folder/files"
    awk 'BEGIN { for (i = 0; i < 4000; i++) print i * 7919 % 4001 }' \
        >"$folder/files/a"
    sort -n "$folder/files/a" | gzip -c | gunzip -c >"$folder/files/b"
    sha256sum <"$folder/files/b"
}

first=$(load_once)
pass=0
while [ ! -e "$folder/stop" ]; do
    now=$(load_once)
    pass=$((pass + 1))
    if [ "$now" != "$first" ]; then
        echo "FAIL shell: pass $pass: $now instead of $first"
    fi
    echo "ok id=shell pass=$pass"
    sleep 0.1
done
wait
echo "work stopped"
