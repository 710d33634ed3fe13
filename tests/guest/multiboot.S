/*
 * Multiboot header, only in the multiboot form: loaders that know both
 * prefer it to the PVH note.
 *
 * Source: Multiboot Specification 0.6.96, 3.1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
        .section .multiboot, "a"
        .align  4
        .long   0x1badb002
        .long   0
        .long   -0x1badb002
        .section .note.GNU-stack, "", @progbits
