/*
 * What the files of boot.h share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_BOOT_PRIV_H
#define HW_I386_BOOT_PRIV_H

#include "hw/i386/boot.h"

/*
 * What a kernel is handed lies below the area that PCs reserve under 640 KiB,
 * wherever the kernel itself leaves room.
 */
#define BOOT_LOW_LIMIT UINT64_C(0x9f000)
/* The same if there is firmware, with room for what it keeps there. */
#define BOOT_FIRMWARE_LOW_LIMIT UINT64_C(0x90000)
/* What firmware keeps at the end of RAM below 4 GiB: ACPI tables. */
#define BOOT_FIRMWARE_RESERVE UINT64_C(0x100000)
/* Nothing is put below: address 0 would mean that there is none. */
#define BOOT_LOW_START UINT64_C(0x1000)

enum {
    /* Entries that the option ROM has room for, and their size: elfboot.S. */
    BOOT_MAP_MAX = 64,
    BOOT_MAP_ENTRY = 24,
    BOOT_GDT_LIMIT = 39, /* of the table at BootPlan.gdt */
};

/* Copies into a free place in low memory; 0 with errp. */
uint32_t boot_plan_add_low(BootPlan *p, const char *name, const void *data,
                           size_t len, GError **errp);
/* Highest address for modules: below it they can be reached by 32 bits. */
static inline uint64_t boot_module_limit(const BootEnv *env)
{
    return MIN(env->below_4g, UINT64_C(0xffff0000));
}

/* A loadable part of an ELF file. */
typedef struct ElfSegment {
    uint64_t off, file_len; /* bytes, in the file */
    uint64_t vaddr, paddr, mem_len;
} ElfSegment;

typedef struct ElfImage {
    bool is64;
    uint64_t entry;   /* physical */
    GArray *segments; /* ElfSegment */
    bool has_pvh;     /* a "Xen" note of type 18 */
    uint64_t pvh_entry;
} ElfImage;

bool elf_is_elf(GBytes *file);
/* Bounds-checked against the file; NULL with the reason. */
ElfImage *elf_image_parse(GBytes *file, GError **errp);
void elf_image_free(ElfImage *e);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ElfImage, elf_image_free)
/* Adds the segments to the plan. */
bool elf_image_plan(const ElfImage *e, GBytes *file, BootPlan *p,
                    GError **errp);

/* The header of a Multiboot image. */
typedef struct MultibootHeader {
    uint32_t off; /* bytes, in the file */
    uint32_t flags;
    /* With MULTIBOOT_ADDRESSES in flags: */
    uint32_t header_addr, load_addr, load_end, bss_end, entry;
} MultibootHeader;

bool multiboot_find_header(GBytes *file, MultibootHeader *ret);
bool multiboot_plan(const BootFiles *f, const BootEnv *env, BootPlan *p,
                    GError **errp);
/* Kernel's memory image alone; *ret_entry is where it begins. */
bool multiboot_plan_kernel(const BootFiles *f, BootPlan *p, uint32_t *ret_entry,
                           GError **errp);

bool pvh_plan(const BootFiles *f, const BootEnv *env, BootPlan *p,
              GError **errp);

/* What the setup header of a bzImage says. */
typedef struct LinuxHeader {
    uint16_t protocol;    /* 0x20c: 2.12 */
    size_t setup_len;     /* bytes of boot sector and setup code */
    uint32_t cmdline_max; /* bytes without the terminator */
    uint32_t initrd_max;  /* highest address of an initrd's byte */
    bool bz_image;        /* the kernel belongs at 1 MiB, not 64 KiB */
    uint32_t load_addr;   /* of the protected-mode part */
    uint32_t init_size;   /* bytes it needs there to start; 0: not said */
} LinuxHeader;

bool linux_is_linux(GBytes *file);
bool linux_header_parse(GBytes *file, LinuxHeader *ret, GError **errp);
/* Is it a kernel that is loaded at 1 MiB, and the command line not too long? */
bool linux_check(const BootFiles *f, const LinuxHeader *h, GError **errp);
/*
 * Fields of the header that a loader fills; `setup` begins like the file.
 * `heap_end`: bytes behind `setup` to which the setup code may use memory,
 * with its stack at the end.
 */
void linux_set_initrd(uint8_t *setup, uint32_t addr, uint32_t size);
void linux_set_loader(uint8_t *setup, uint32_t cmdline, uint16_t heap_end);
bool linux_plan(const BootFiles *f, const BootEnv *env, BootPlan *p,
                GError **errp);

#endif
