/*
 * The guest's own breakpoints: debug registers.
 *
 * An instruction breakpoint is a fault before the instruction, unless RF is
 * set; a data or I/O breakpoint is a trap after it.
 *
 * Intel SDM volume 3, 17.2 (registers), 17.3.1 (exceptions), table 17-2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/debug.h"

enum {
    DR_COUNT = 4,
    RW_EXEC = 0,
    RW_WRITE = 1,
    RW_IO = 2, /* with CR4.DE */
    RW_ACCESS = 3,
    DR6_BS = 1 << 14,
};

static bool dr_on(const SoftCpu *s, unsigned i)
{
    return s->x->dr[7] >> (2 * i) & 3; /* locally or globally */
}

static unsigned dr_rw(const SoftCpu *s, unsigned i)
{
    return s->x->dr[7] >> (16 + 4 * i) & 3;
}

static unsigned dr_len(const SoftCpu *s, unsigned i)
{
    static const uint8_t len[4] = { 1, 2, 8, 4 };

    return len[s->x->dr[7] >> (18 + 4 * i) & 3];
}

void soft_update_breakpoints(SoftCpu *s)
{
    bool code = false;
    bool data = false;
    bool io = false;
    bool before = s->dr_data;

    for (unsigned i = 0; i < DR_COUNT; i++) {
        unsigned rw = dr_rw(s, i);

        code |= dr_on(s, i) && rw == RW_EXEC;
        data |= dr_on(s, i) && (rw == RW_WRITE || rw == RW_ACCESS);
        io |= dr_on(s, i) && rw == RW_IO && (s->x->cr[4] & X86_CR4_DE);
    }
    s->dr_code = code;
    s->dr_data = data;
    s->dr_io = io;
    s->dr_hits = 0;
    if (data || before) {
        soft_tlb_flush(s); /* see soft_debug_page_watched() */
    }
}

unsigned soft_dr_code(const SoftCpu *s, uint64_t lin)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < DR_COUNT; i++) {
        if (dr_on(s, i) && dr_rw(s, i) == RW_EXEC &&
            (s->x->dr[i] & s->lin_mask) == lin) {
            hits |= 1U << i;
        }
    }
    return hits;
}

unsigned soft_dr_data(const SoftCpu *s, uint64_t lin, uint64_t n, bool write)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < DR_COUNT; i++) {
        unsigned rw = dr_rw(s, i);
        uint64_t len = dr_len(s, i);
        uint64_t at = s->x->dr[i] & s->lin_mask & ~(len - 1);

        if (dr_on(s, i) && (rw == RW_ACCESS || (rw == RW_WRITE && write)) &&
            (lin - at < len || at - lin < n)) {
            hits |= 1U << i;
        }
    }
    return hits;
}

void soft_dr_port(SoftCpu *s, uint16_t port, unsigned n)
{
    for (unsigned i = 0; i < DR_COUNT; i++) {
        uint64_t len = dr_len(s, i);
        uint64_t at = s->x->dr[i] & ~(len - 1);

        if (dr_on(s, i) && dr_rw(s, i) == RW_IO &&
            (port - at < len || at - port < n)) {
            s->dr_hits |= 1U << i;
        }
    }
}

bool soft_dr_inside(const SoftCpu *s, uint64_t lin, unsigned nbytes)
{
    for (unsigned i = 0; s->dr_code && i < DR_COUNT; i++) {
        uint64_t off = (s->x->dr[i] & s->lin_mask) - lin;

        if (dr_on(s, i) && dr_rw(s, i) == RW_EXEC && off < nbytes && off) {
            return true;
        }
    }
    return false;
}

bool soft_step_traps(const SoftCpu *s, const SoftOp *op)
{
    if (s->inhibit & SOFT_INHIBIT_DEBUG) {
        return false; /* TF is still set: behind the next one */
    }
    switch (op->id) {
    case INSN_SYSCALL: /* what SFMASK left of it */
    case INSN_INT:
    case INSN_INT3:
    case INSN_INT1:
    case INSN_INTO:
        return s->flags & X86_FLAG_TF;
    default:
        return true;
    }
}

void soft_single_step_raise(SoftCpu *s)
{
    s->halted = false;
    s->x->dr[6] |= DR6_BS;
    soft_dr_raise(s, s->dr_hits);
}

void soft_dr_raise(SoftCpu *s, unsigned hits)
{
    s->dr_hits = 0;
    s->x->dr[6] = (s->x->dr[6] & ~UINT64_C(15)) | hits;
    soft_raise(s, EXC_DB);
}
