/*
 * Kernels given by -kernel: what the file is, where its parts go, and how the
 * first vCPU enters it.
 *
 * A plan is a list of pieces of guest memory and an entry state.  It is made
 * once.  Without firmware it is carried out at each reset, unless the memory is
 * to come from a migration; with firmware an option ROM does it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_BOOT_H
#define HW_I386_BOOT_H

#include "hw/i386/e820.h"
#include "system/memory.h"

struct X86Cpu;

typedef enum BootKind {
    BOOT_MULTIBOOT, /* Multiboot specification 0.6.96 */
    BOOT_LINUX,     /* kernel's Documentation/arch/x86/boot.rst */
    BOOT_PVH,       /* x86/HVM direct boot ABI */
} BootKind;

/* What -kernel, -initrd and -append say, read into memory. */
typedef struct BootFiles {
    BootKind kind;
    char *kernel_path;
    GBytes *kernel;
    /* One initrd; for Multiboot any number, with command lines. */
    GPtrArray *modules;     /* GBytes */
    GPtrArray *module_args; /* char *, as many */
    char *cmdline;          /* never NULL */
} BootFiles;

/*
 * Reads and recognizes the files; errors name the file.  `initrd` and
 * `cmdline` may be NULL.
 */
BootFiles *boot_files_read(const char *kernel, const char *initrd,
                           const char *cmdline, GError **errp);
void boot_files_free(BootFiles *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootFiles, boot_files_free)

/* A piece of guest memory. */
typedef struct BootBlob {
    char *name;       /* in messages */
    uint64_t addr;    /* guest physical */
    GBytes *data;     /* may be empty */
    uint64_t mem_len; /* bytes; those behind the data are zero */
    bool reserved;    /* not the kernel's: nothing is loaded there */
} BootBlob;

/*
 * What only firmware knows: addresses at which the option ROM stores it.
 * Zero: nobody wants to know.
 */
typedef struct BootLate {
    uint32_t map; /* BOOT_MAP_MAX entries, BOOT_MAP_ENTRY bytes apart */
    uint32_t map_count, map_bytes; /* 32 bits each */
    uint32_t lower, upper;         /* KiB from 0 and from 1 MiB, 32 bits */
    uint32_t rsdp;                 /* 32 bits */
} BootLate;

typedef struct BootPlan {
    BootKind kind;
    GPtrArray *blobs;   /* BootBlob, no two overlap */
    uint64_t ram_end;   /* of RAM below 4 GiB: all pieces are below */
    uint64_t low_limit; /* of what is placed in low memory */
    bool carried_out;   /* the memory isn't fresh any more */
    /* Entry: flat 32-bit protected mode. */
    uint32_t eip, eax, ebx, esi;
    uint32_t gdt;  /* address of its descriptor table */
    BootLate late; /* with firmware */
} BootPlan;

/* What the board tells a kernel. */
typedef struct BootEnv {
    bool firmware;      /* it runs before the kernel, and tells e820 and rsdp */
    const GArray *e820; /* E820Entry */
    uint64_t below_4g;  /* bytes of RAM from 0 */
    uint64_t rsdp;      /* address of the ACPI root pointer; 0: none */
} BootEnv;

BootPlan *boot_plan_new(const BootFiles *f, const BootEnv *env, GError **errp);
void boot_plan_free(BootPlan *p);
/*
 * Takes the piece; false if it isn't in RAM or overlaps another one.  `name`
 * is copied, `data` referenced.
 */
bool boot_plan_add(BootPlan *p, const char *name, uint64_t addr, GBytes *data,
                   uint64_t mem_len, GError **errp);
/* Copies what `data` points to. */
bool boot_plan_add_copy(BootPlan *p, const char *name, uint64_t addr,
                        const void *data, size_t len, GError **errp);
/* Keeps others away from `len` bytes, which must be free and in RAM. */
void boot_plan_reserve(BootPlan *p, const char *name, uint64_t addr,
                       uint64_t len);
/*
 * A free place for `len` bytes, page aligned, as high as possible and wholly
 * below `limit`; 0 with `errp` if there is none.
 */
uint64_t boot_plan_place(const BootPlan *p, const char *name, uint64_t len,
                         uint64_t limit, GError **errp);
/*
 * The same, as low as possible from behind the highest piece that `p` has now;
 * where there is no such place, as above.
 */
uint64_t boot_plan_place_behind(const BootPlan *p, const char *name,
                                uint64_t len, uint64_t limit, GError **errp);
/* Writes the pieces; `fresh_zero`: memory not yet written reads as zero. */
bool boot_plan_load(BootPlan *p, AddressSpace *as, bool fresh_zero,
                    GError **errp);
/* The start state of the first vCPU. */
void boot_plan_set_cpu(const BootPlan *p, struct X86Cpu *cpu);

#endif
