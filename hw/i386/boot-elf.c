/*
 * ELF files as kernels: program headers and the PVH note.
 *
 * Format: System V ABI, chapter 5, and its AMD64 supplement; the note is
 * Xen's "XEN_ELFNOTE_PHYS32_ENTRY" (type 18), PVH's entry point.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/boot-priv.h"

#include "util/bswap.h"
#include "util/error.h"

#include <elf.h>

enum {
    NOTE_PHYS32_ENTRY = 18,
    ELF_SEGMENTS_MAX = 128,
};

/* Both classes' program headers, widened. */
typedef struct ElfPhdr {
    uint32_t type;
    uint64_t off, vaddr, paddr, file_len, mem_len, align;
} ElfPhdr;

bool elf_is_elf(GBytes *file)
{
    size_t len;
    const uint8_t *d = g_bytes_get_data(file, &len);

    return len >= EI_NIDENT && memcmp(d, ELFMAG, SELFMAG) == 0;
}

static ElfPhdr elf_phdr(const ElfImage *e, const uint8_t *p)
{
    if (e->is64) {
        return (ElfPhdr){
            .type = ldl_le_p(p),
            .off = ldq_le_p(p + offsetof(Elf64_Phdr, p_offset)),
            .vaddr = ldq_le_p(p + offsetof(Elf64_Phdr, p_vaddr)),
            .paddr = ldq_le_p(p + offsetof(Elf64_Phdr, p_paddr)),
            .file_len = ldq_le_p(p + offsetof(Elf64_Phdr, p_filesz)),
            .mem_len = ldq_le_p(p + offsetof(Elf64_Phdr, p_memsz)),
            .align = ldq_le_p(p + offsetof(Elf64_Phdr, p_align)),
        };
    }
    return (ElfPhdr){
        .type = ldl_le_p(p),
        .off = ldl_le_p(p + offsetof(Elf32_Phdr, p_offset)),
        .vaddr = ldl_le_p(p + offsetof(Elf32_Phdr, p_vaddr)),
        .paddr = ldl_le_p(p + offsetof(Elf32_Phdr, p_paddr)),
        .file_len = ldl_le_p(p + offsetof(Elf32_Phdr, p_filesz)),
        .mem_len = ldl_le_p(p + offsetof(Elf32_Phdr, p_memsz)),
        .align = ldl_le_p(p + offsetof(Elf32_Phdr, p_align)),
    };
}

/*
 * A list of: name length, description length, type; then name and
 * description, each padded to the alignment.
 */
static void elf_scan_notes(ElfImage *e, const uint8_t *d, uint64_t len,
                           uint64_t align)
{
    uint64_t pad = align == 8 ? 8 : 4;

    while (len >= 12) {
        uint64_t name_len = ldl_le_p(d), desc_len = ldl_le_p(d + 4);
        uint32_t type = ldl_le_p(d + 8);
        uint64_t desc = ROUND_UP(12 + name_len, pad);
        uint64_t next = desc + ROUND_UP(desc_len, pad);

        if (!range_fits(desc, desc_len, len)) {
            return;
        }
        if (type == NOTE_PHYS32_ENTRY && name_len == 4 &&
            memcmp(d + 12, "Xen", 4) == 0 && (desc_len == 4 || desc_len == 8)) {
            e->has_pvh = true;
            e->pvh_entry = ldn_le_p(d + desc, desc_len);
            return;
        }
        if (next >= len) {
            return;
        }
        d += next;
        len -= next;
    }
}

static bool elf_take_phdr(ElfImage *e, const ElfPhdr *ph, const uint8_t *file,
                          size_t len, GError **errp)
{
    ElfSegment seg = { ph->off, ph->file_len, ph->vaddr, ph->paddr,
                       ph->mem_len };

    if (ph->type != PT_LOAD && ph->type != PT_NOTE) {
        return true;
    }
    if (!range_fits(ph->off, ph->file_len, len)) {
        error_setf(errp,
                   "ELF: part at 0x%" PRIx64 " with 0x%" PRIx64
                   " bytes: beyond the file's end (0x%zx)",
                   ph->off, ph->file_len, len);
        return false;
    }
    if (ph->type == PT_NOTE) {
        elf_scan_notes(e, file + ph->off, ph->file_len, ph->align);
        return true;
    }
    if (ph->mem_len < ph->file_len ||
        !range_fits(ph->paddr, ph->mem_len, UINT64_MAX)) {
        error_setf(errp,
                   "ELF: part at 0x%" PRIx64 ": 0x%" PRIx64
                   " bytes of memory for 0x%" PRIx64 " of the file",
                   ph->paddr, ph->mem_len, ph->file_len);
        return false;
    }
    if (ph->mem_len > 0) {
        g_array_append_val(e->segments, seg);
    }
    return true;
}

static bool elf_take_phdrs(ElfImage *e, const uint8_t *d, size_t len,
                           GError **errp)
{
    uint64_t phoff = e->is64 ? ldq_le_p(d + offsetof(Elf64_Ehdr, e_phoff))
                             : ldl_le_p(d + offsetof(Elf32_Ehdr, e_phoff));
    unsigned size =
        lduw_le_p(d + (e->is64 ? offsetof(Elf64_Ehdr, e_phentsize)
                               : offsetof(Elf32_Ehdr, e_phentsize)));
    unsigned n = lduw_le_p(d + (e->is64 ? offsetof(Elf64_Ehdr, e_phnum)
                                        : offsetof(Elf32_Ehdr, e_phnum)));

    if (n == 0 || n > ELF_SEGMENTS_MAX) {
        error_setf(errp, "ELF: %u program headers, not 1 to %d", n,
                   ELF_SEGMENTS_MAX);
        return false;
    }
    if (size < (e->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
        !range_fits(phoff, (uint64_t)n * size, len)) {
        error_setf(errp,
                   "ELF: program headers at 0x%" PRIx64 ": not in the file",
                   phoff);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        ElfPhdr ph = elf_phdr(e, d + phoff + (uint64_t)i * size);

        if (!elf_take_phdr(e, &ph, d, len, errp)) {
            return false;
        }
    }
    return true;
}

/* Kernels are linked to where they run with paging, and start without it. */
static void elf_translate_entry(ElfImage *e)
{
    for (unsigned i = 0; i < e->segments->len; i++) {
        const ElfSegment *s = &g_array_index(e->segments, ElfSegment, i);

        if (e->entry >= s->vaddr && e->entry - s->vaddr < s->mem_len) {
            e->entry = e->entry - s->vaddr + s->paddr;
            return;
        }
    }
}

ElfImage *elf_image_parse(GBytes *file, GError **errp)
{
    g_autoptr(ElfImage) e = g_new0(ElfImage, 1);
    size_t len;
    const uint8_t *d = g_bytes_get_data(file, &len);
    unsigned machine;

    e->segments = g_array_new(FALSE, FALSE, sizeof(ElfSegment));
    e->is64 = len > EI_CLASS && d[EI_CLASS] == ELFCLASS64;
    if (len < (e->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr))) {
        error_setf(errp, "ELF: %zu bytes: shorter than its header", len);
        return NULL;
    }
    machine = lduw_le_p(d + offsetof(Elf64_Ehdr, e_machine));
    if ((!e->is64 && d[EI_CLASS] != ELFCLASS32) || d[EI_DATA] != ELFDATA2LSB ||
        (machine != EM_386 && machine != EM_X86_64)) {
        error_setf(errp,
                   "ELF: class %u, byte order %u, machine %u: not for "
                   "x86",
                   d[EI_CLASS], d[EI_DATA], machine);
        return NULL;
    }
    e->entry = e->is64 ? ldq_le_p(d + offsetof(Elf64_Ehdr, e_entry))
                       : ldl_le_p(d + offsetof(Elf32_Ehdr, e_entry));
    if (!elf_take_phdrs(e, d, len, errp)) {
        return NULL;
    }
    if (e->segments->len == 0) {
        error_setf(errp, "ELF: nothing to load in it");
        return NULL;
    }
    elf_translate_entry(e);
    return g_steal_pointer(&e);
}

void elf_image_free(ElfImage *e)
{
    if (e != NULL) {
        g_array_unref(e->segments);
        g_free(e);
    }
}

bool elf_image_plan(const ElfImage *e, GBytes *file, BootPlan *p, GError **errp)
{
    for (unsigned i = 0; i < e->segments->len; i++) {
        const ElfSegment *s = &g_array_index(e->segments, ElfSegment, i);
        g_autoptr(GBytes) data =
            g_bytes_new_from_bytes(file, s->off, s->file_len);

        if (!boot_plan_add(p, "ELF part", s->paddr, data, s->mem_len, errp)) {
            return false;
        }
    }
    return true;
}
