/*
 * A memory dump's headers.
 *
 * ELF: System V ABI, chapters 4 and 5, and its AMD64 supplement; core notes as
 * Linux writes them (<sys/procfs.h>).  The note "QEMU", by which crash and
 * others find control registers, has the layout that files of 7.2 have: a
 * version, its size, general registers, RIP, RFLAGS, ten segment registers,
 * CR0 to CR4, KernelGSbase.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/dump-elf.h"

#include <elf.h>

#include "accel/vcpu.h"
#include "system/vm.h"
#include "target/i386/cpu.h"
#include "util/bswap.h"

enum {
    PRSTATUS32_SIZE = 144,
    PRSTATUS64_SIZE = 336,
    STATE_SIZE = 440,
    STATE_VERSION = 1,
    NOTE_HEAD = 12,
    SECTIONS = 2,
};

static void elf_put32(GByteArray *out, uint32_t v)
{
    uint8_t b[4];

    stl_le_p(b, v);
    g_byte_array_append(out, b, sizeof(b));
}

static void elf_put64(GByteArray *out, uint64_t v)
{
    uint8_t b[8];

    stq_le_p(b, v);
    g_byte_array_append(out, b, sizeof(b));
}

static void put_zeros(GByteArray *out, size_t n)
{
    static const uint8_t zeros[8];

    for (; n > 0; n -= MIN(n, sizeof(zeros))) {
        g_byte_array_append(out, zeros, MIN(n, sizeof(zeros)));
    }
}

/* Names are of four characters. */
static void put_note_head(GByteArray *out, const char *name, uint32_t size,
                          uint32_t type)
{
    elf_put32(out, (uint32_t)strlen(name) + 1);
    elf_put32(out, size);
    elf_put32(out, type);
    g_byte_array_append(out, (const uint8_t *)name, 5);
    put_zeros(out, 3);
}

static void put_prstatus64(GByteArray *out, const X86Cpu *c, unsigned pid)
{
    static const uint8_t order[] = {
        X86_R15, X86_R14, X86_R13, X86_R12, X86_RBP, X86_RBX, X86_R11, X86_R10,
        X86_R9,  X86_R8,  X86_RAX, X86_RCX, X86_RDX, X86_RSI, X86_RDI,
    };

    put_note_head(out, "CORE", PRSTATUS64_SIZE, NT_PRSTATUS);
    put_zeros(out, 32);
    elf_put32(out, pid);
    put_zeros(out, 76);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        elf_put64(out, c->regs[order[i]]);
    }
    elf_put64(out, 0); /* orig_rax */
    elf_put64(out, c->rip);
    elf_put64(out, c->segs[X86_CS].selector);
    elf_put64(out, c->rflags);
    elf_put64(out, c->regs[X86_RSP]);
    elf_put64(out, c->segs[X86_SS].selector);
    elf_put64(out, c->segs[X86_FS].base);
    elf_put64(out, c->segs[X86_GS].base);
    elf_put64(out, c->segs[X86_DS].selector);
    elf_put64(out, c->segs[X86_ES].selector);
    elf_put64(out, c->segs[X86_FS].selector);
    elf_put64(out, c->segs[X86_GS].selector);
    elf_put64(out, 0); /* no floating-point registers */
}

static void put_prstatus32(GByteArray *out, const X86Cpu *c, unsigned pid)
{
    static const uint8_t order[] = { X86_RBX, X86_RCX, X86_RDX, X86_RSI,
                                     X86_RDI, X86_RBP, X86_RAX };
    static const uint8_t segs[] = { X86_DS, X86_ES, X86_FS, X86_GS };

    put_note_head(out, "CORE", PRSTATUS32_SIZE, NT_PRSTATUS);
    put_zeros(out, 24);
    elf_put32(out, pid);
    put_zeros(out, 44);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        elf_put32(out, c->regs[order[i]]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(segs); i++) {
        elf_put32(out, c->segs[segs[i]].selector);
    }
    elf_put32(out, 0); /* orig_eax */
    elf_put32(out, c->rip);
    elf_put32(out, c->segs[X86_CS].selector);
    elf_put32(out, c->rflags);
    elf_put32(out, c->regs[X86_RSP]);
    elf_put32(out, c->segs[X86_SS].selector);
    elf_put32(out, 0); /* no floating-point registers */
}

static void put_segment(GByteArray *out, const X86Segment *s)
{
    elf_put32(out, s->selector);
    elf_put32(out, s->limit);
    elf_put32(out, s->flags);
    elf_put32(out, 0);
    elf_put64(out, s->base);
}

static void put_state(GByteArray *out, const X86Cpu *c)
{
    static const uint8_t order[] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX,
                                     X86_RSI, X86_RDI, X86_RSP, X86_RBP,
                                     X86_R8,  X86_R9,  X86_R10, X86_R11,
                                     X86_R12, X86_R13, X86_R14, X86_R15 };
    static const uint8_t segs[] = { X86_CS, X86_DS, X86_ES,
                                    X86_FS, X86_GS, X86_SS };

    put_note_head(out, "QEMU", STATE_SIZE, 0);
    elf_put32(out, STATE_VERSION);
    elf_put32(out, STATE_SIZE);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        elf_put64(out, c->regs[order[i]]);
    }
    elf_put64(out, c->rip);
    elf_put64(out, c->rflags);
    for (size_t i = 0; i < G_N_ELEMENTS(segs); i++) {
        put_segment(out, &c->segs[segs[i]]);
    }
    put_segment(out, &c->ldt);
    put_segment(out, &c->tr);
    put_segment(out, &c->gdt);
    put_segment(out, &c->idt);
    for (size_t i = 0; i < G_N_ELEMENTS(c->cr); i++) {
        elf_put64(out, c->cr[i]);
    }
    elf_put64(out, c->kernelgsbase);
}

static bool is_64bit(const Vm *vm)
{
    return vm->nvcpus > 0 && x86_cpu_long_mode(vm->vcpus[0]->x86);
}

static GByteArray *make_notes(const Vm *vm)
{
    GByteArray *notes = g_byte_array_new();
    bool wide = is_64bit(vm);

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        (wide ? put_prstatus64 : put_prstatus32)(notes, vm->vcpus[i]->x86,
                                                 i + 1);
    }
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        put_state(notes, vm->vcpus[i]->x86);
    }
    return notes;
}

static void add_segment(GArray *all, uint64_t va, const DumpBlock *b,
                        uint64_t pa, uint64_t size)
{
    const Elf64_Phdr p = {
        .p_type = PT_LOAD,
        .p_offset = pa - b->addr, /* in the block, so far */
        .p_vaddr = va,
        .p_paddr = pa,
        .p_filesz = size,
        .p_memsz = size,
    };

    g_array_append_val(all, p);
}

/*
 * The parts of a block that are mapped, as often as they are, and at their
 * physical address those that are not.
 */
static void add_mapped(GArray *all, const DumpBlock *b, const GArray *mappings)
{
    uint64_t mapped_to = b->addr; /* no gap in front of this */
    uint64_t end = b->addr + b->size;

    for (unsigned i = 0; i < mappings->len; i++) {
        const DumpMapping *m = &g_array_index(mappings, DumpMapping, i);
        uint64_t from = MAX(m->pa, b->addr);
        uint64_t to = MIN(m->pa + m->size, end);

        if (from >= to) {
            continue;
        }
        if (from > mapped_to) {
            add_segment(all, mapped_to, b, mapped_to, from - mapped_to);
        }
        add_segment(all, m->va + (from - m->pa), b, from, to - from);
        mapped_to = MAX(mapped_to, to);
    }
    if (mapped_to < end) {
        add_segment(all, mapped_to, b, mapped_to, end - mapped_to);
    }
}

/* first[i]: the first segment of block i. */
static GArray *make_segments(const GArray *blocks, const GArray *mappings,
                             unsigned *first)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Elf64_Phdr));

    for (unsigned i = 0; i < blocks->len; i++) {
        const DumpBlock *b = &g_array_index(blocks, DumpBlock, i);

        first[i] = all->len;
        if (mappings != NULL) {
            add_mapped(all, b, mappings);
        } else {
            add_segment(all, b->addr, b, b->addr, b->size);
        }
    }
    first[blocks->len] = all->len;
    return all;
}

/* Where each block comes in the file; returns where the last one ends. */
static uint64_t elf_place(GArray *blocks, GArray *segments,
                          const unsigned *first, uint64_t offset)
{
    for (unsigned i = 0; i < blocks->len; i++) {
        DumpBlock *b = &g_array_index(blocks, DumpBlock, i);

        b->offset = offset;
        for (unsigned s = first[i]; s < first[i + 1]; s++) {
            g_array_index(segments, Elf64_Phdr, s).p_offset += offset;
        }
        offset += b->size;
    }
    return offset;
}

static void put_head(GByteArray *out, const Vm *vm, unsigned nsegments,
                     uint64_t strings)
{
    /* More than fit have their number in the first section. */
    bool many = nsegments >= PN_XNUM;
    const Elf64_Ehdr head = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                     ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_CORE,
        .e_machine = is_64bit(vm) ? EM_X86_64 : EM_386,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr) + SECTIONS * sizeof(Elf64_Shdr),
        .e_shoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = many ? PN_XNUM : nsegments,
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SECTIONS,
        .e_shstrndx = 1,
    };
    const Elf64_Shdr sections[SECTIONS] = {
        { .sh_info = many ? nsegments : 0 },
        { .sh_name = 1, /* in DUMP_ELF_TAIL */
          .sh_type = SHT_STRTAB,
          .sh_offset = strings,
          .sh_size = DUMP_ELF_TAIL_SIZE },
    };

    g_byte_array_append(out, (const uint8_t *)&head, sizeof(head));
    g_byte_array_append(out, (const uint8_t *)sections, sizeof(sections));
}

GByteArray *dump_elf_headers(Vm *vm, GArray *blocks, const GArray *mappings)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GByteArray) notes = make_notes(vm);
    g_autofree unsigned *first = g_new0(unsigned, blocks->len + 1);
    g_autoptr(GArray) segments = make_segments(blocks, mappings, first);
    uint64_t notes_at = sizeof(Elf64_Ehdr) + SECTIONS * sizeof(Elf64_Shdr) +
                        (1 + (uint64_t)segments->len) * sizeof(Elf64_Phdr);
    const Elf64_Phdr note = {
        .p_type = PT_NOTE,
        .p_offset = notes_at,
        .p_filesz = notes->len,
        .p_memsz = notes->len,
    };
    uint64_t end = elf_place(blocks, segments, first, notes_at + notes->len);

    put_head(out, vm, segments->len + 1, end);
    g_byte_array_append(out, (const uint8_t *)&note, sizeof(note));
    if (segments->len > 0) {
        g_byte_array_append(out, (const uint8_t *)segments->data,
                            segments->len * sizeof(Elf64_Phdr));
    }
    if (notes->len > 0) {
        g_byte_array_append(out, notes->data, notes->len);
    }
    return out;
}
