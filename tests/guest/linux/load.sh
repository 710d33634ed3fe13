#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A load whose results are the same on every machine: 'load.sh FOLDER' works
# in an empty folder and prints lines 'result NAME VALUE'.  The tests run it
# in the guest and on the host, with the same programs, and compare.
set -eu
cd "$1"

# About a megabyte of files, none like another.
make_tree()
{
    for d in 0 1 2 3; do
        mkdir -p "tree/$d"
        for f in 0 1 2 3 4 5 6 7; do
            awk -v seed=$((d * 8 + f + 1)) 'BEGIN {
                x = seed
                for (i = 0; i < 3000; i++) {
                    x = (x * 16807) % 2147483647
                    printf "%010d\n", x
                }
            }' >"tree/$d/$f"
        done
    done
}

hash_tree()
{
    find "$1" -type f | sort | xargs sha256sum | sed "s, $1/, ," | sha256sum |
        cut -d ' ' -f 1
}

shell_loop()
{
    i=0
    x=12345
    while [ $i -lt 20000 ]; do
        x=$(((x * 1103515245 + 12345) % 2147483648))
        i=$((i + 1))
    done
    echo $x
}

# Blocks of an odd size, so that each write is across a page.
copy_blocks()
{
    dd if=/dev/zero bs=1000 count=500 2>/dev/null | tr '\0' 'z' >blocks
    dd if=tree/0/0 of=blocks bs=777 seek=11 conv=notrunc 2>/dev/null
    dd if=blocks bs=4099 skip=1 2>/dev/null | md5sum | cut -d ' ' -f 1
}

# Sums, products and quotients are rounded alike everywhere; Newton's square
# root is made of them.
floating_point()
{
    awk 'BEGIN {
        s = 0; p = 1; t = 0
        for (i = 1; i <= 10000; i++) {
            s += 1 / (i * i)
            p = p * (1 + 1 / (i + 0.5)) / (1 + 1 / (i + 0.75))
        }
        for (i = 1; i <= 500; i++) {
            r = i
            for (n = 0; n < 12; n++)
                r = (r + i / r) / 2
            t += r - int(r)
        }
        printf "%.17g:%.17g:%.17g\n", s, p, t
    }'
}

# Six processes at once, each of several, joined by pipes.
processes()
{
    for n in 1 2 3 4 5 6; do
        (
            seq 1 $((n * 500)) | sort -r | gzip -c | gunzip -c | sort -n |
                md5sum >"process.$n"
        ) &
    done
    wait
    cat process.1 process.2 process.3 process.4 process.5 process.6 |
        md5sum | cut -d ' ' -f 1
}

make_tree
echo "result tree $(hash_tree tree)"
mkdir copy
tar cf - -C tree . | tar xf - -C copy
echo "result copied $(hash_tree copy)"
echo "result shell $(shell_loop)"
echo "result blocks $(copy_blocks)"
echo "result floating $(floating_point)"
echo "result processes $(processes)"
echo "result maths $(linux-load maths)"
