/*
 * The loads: touch once, dirty at a rate, write and check a pattern.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    WORDS = PAGE_SIZE / 8,
    MAX_FAIL_LINES = 20, /* per CPU: the first ones tell */
};

bool load_due(Cpu *cpu)
{
    if ((int64_t)(cpu->last_tsc - cpu->pace_tsc) < 0) {
        return false;
    }
    cpu->pace_tsc += cpu->pace_step;
    /* After a pause of more than two timer ticks at the usual 1 kHz the rate
     * must not be made up for. */
    if ((int64_t)(cpu->last_tsc - cpu->pace_tsc) > (int64_t)(2 * tsc_khz)) {
        cpu->pace_tsc = cpu->last_tsc;
    }
    return true;
}

void load_pace(Cpu *cpu)
{
    heartbeat(cpu);
    if (!cpu->pace_step) {
        return;
    }
    while (!load_due(cpu)) {
        if (config.sleep) {
            cpu_idle(cpu);
        } else {
            cpu_relax();
        }
        heartbeat(cpu);
    }
}

static void page_random(uint64_t *page, uint64_t seed)
{
    uint64_t x = mix64(seed) | 1;

    for (unsigned i = 0; i < WORDS; i++) {
        /* G. Marsaglia, "Xorshift RNGs", triple 13, 7, 17. */
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        page[i] = x;
    }
}

void load_touch(uint64_t first, uint64_t npages)
{
    Cpu *cpu = cpu_self();

    for (uint64_t i = first; i < first + npages; i++) {
        page_random(memory_page(i), i + 1);
        heartbeat(cpu);
    }
}

void load_dirty_fill(Cpu *cpu)
{
    load_touch(cpu->first_page, cpu->npages);
}

void load_dirty(Cpu *cpu)
{
    uint64_t *page;

    for (;;) {
        for (uint64_t i = 0; i < cpu->npages; i++) {
            load_pace(cpu);
            page = memory_page(cpu->first_page + i);
            page[cpu->passes % WORDS] += 1;
            cpu->pages_done++;
        }
        cpu->passes++;
    }
}

/* ---- the pattern ------------------------------------------------------- */

/*
 * Page p in generation g is one of: all zero; zero but for one byte at the
 * start, the end or somewhere; one byte repeated; or full of distinct words.
 * So a scanner for zero pages meets all of its cases.
 */
typedef struct Pattern {
    uint64_t first; /* word 0 of a full page, or the fill */
    uint64_t step;
    uint32_t sparse; /* index of the only nonzero word, or WORDS */
    uint64_t sparse_word;
} Pattern;

static Pattern pattern_of(uint64_t index, uint64_t generation)
{
    uint64_t h = mix64(index * 0x9e3779b97f4a7c15ull + generation);
    Pattern p = { .first = 0, .step = 0, .sparse = WORDS };
    uint64_t byte = h >> 32 & 0xff;

    byte += !byte;
    switch (h & 15) {
    case 0:
        break;
    case 1:
        p.sparse = 0;
        p.sparse_word = byte;
        break;
    case 2:
        p.sparse = WORDS - 1;
        p.sparse_word = byte << 56;
        break;
    case 3:
        p.sparse = h >> 8 & (WORDS - 1);
        p.sparse_word = byte << (h >> 40 & 56);
        break;
    case 4:
        p.first = byte * 0x0101010101010101ull;
        break;
    default:
        p.first = h;
        p.step = mix64(h) | 1;
        break;
    }
    return p;
}

static void pattern_write(uint64_t *page, const Pattern *p)
{
    uint64_t w = p->first;

    for (unsigned i = 0; i < WORDS; i++) {
        page[i] = w;
        w += p->step;
    }
    if (p->sparse < WORDS) {
        page[p->sparse] = p->sparse_word;
    }
}

static uint64_t pattern_word(const Pattern *p, unsigned i)
{
    return i == p->sparse ? p->sparse_word : p->first + i * p->step;
}

/* Index of the first wrong word, or WORDS. */
static unsigned pattern_check(const uint64_t *page, const Pattern *p)
{
    uint64_t w = p->first, diff = 0;

    if (p->sparse == WORDS) {
        for (unsigned i = 0; i < WORDS; i++) {
            diff |= page[i] ^ w;
            w += p->step;
        }
        if (!diff) {
            return WORDS;
        }
    }
    for (unsigned i = 0; i < WORDS; i++) {
        if (page[i] != pattern_word(p, i)) {
            return i;
        }
    }
    return WORDS;
}

static void pattern_fail(Cpu *cpu, uint64_t index, uint64_t generation,
                         unsigned word)
{
    uint64_t *page = memory_page(index);
    Pattern want = pattern_of(index, generation);
    uint64_t got = page[word];
    const char *what = "other data";

    for (uint64_t back = 1; back <= 4 && back <= generation; back++) {
        Pattern old = pattern_of(index, generation - back);

        if (pattern_check(page, &old) == WORDS) {
            what = "stale";
        }
    }
    cpu->fails++;
    if (cpu->fails <= MAX_FAIL_LINES) {
        say("FAIL page=%x word=%u expected=%x got=%x generation=%u %s",
            (uint64_t)(uintptr_t)page, (uint64_t)word,
            pattern_word(&want, word), got, generation, what);
    }
}

static void pattern_expect(Cpu *cpu, uint64_t index, uint64_t generation)
{
    Pattern p = pattern_of(index, generation);
    unsigned word;

    if (dma_owns(cpu, index)) {
        return;
    }
    word = pattern_check(memory_page(index), &p);
    if (word < WORDS) {
        pattern_fail(cpu, index, generation, word);
        pattern_write(memory_page(index), &p); /* tell each loss once */
    }
}

/*
 * A count of the steps that lives in a register, which no compiled code here
 * touches (the program uses general registers only). If memory as a whole
 * went back in time, this would not.
 */
static uint64_t step_register(void)
{
    uint64_t val;

    __asm__ volatile("movq %%xmm15, %0" : "=r"(val));
    return val;
}

static void step_register_set(uint64_t val)
{
    __asm__ volatile("movq %0, %%xmm15" ::"r"(val));
}

/* MSRs that nothing here uses: kept values show that the state moved. */
static const uint32_t state_msrs[] = {
    0xc0000081, /* STAR */
    0xc0000082, /* LSTAR */
    0xc0000083, /* CSTAR */
    0xc0000084, /* SFMASK */
    0xc0000102, /* KERNEL_GS_BASE */
    0x174,      /* SYSENTER_CS */
    0x175,      /* SYSENTER_ESP */
    0x176,      /* SYSENTER_EIP */
};

static uint64_t state_msr_value(uint64_t seed, unsigned i)
{
    uint64_t val = mix64(seed + i);

    /* Addresses must be canonical; the selector MSRs have 32 bits. */
    return i == 3 || i == 5 ? val & 0xfff8 : val & 0x7ffffffffff8;
}

static void state_write(Cpu *cpu)
{
    uint64_t s = cpu->state_seed;
    uint32_t mxcsr = 0x1f80 | (s & 0x6000); /* rounding mode */
    uint16_t fcw = 0x037f | (s & 0xc00);

    __asm__ volatile("movq %0, %%xmm0; movq %1, %%xmm7\n\t"
                     "punpcklqdq %%xmm7, %%xmm0\n\t"
                     "movdqa %%xmm0, %%xmm14\n\t"
                     "ldmxcsr %2; fldcw %3" ::"r"(mix64(s + 100)),
                     "r"(mix64(s + 101)), "m"(mxcsr), "m"(fcw));
    for (unsigned i = 0; i < sizeof(state_msrs) / 4; i++) {
        service(SVC_WRMSR, state_msrs[i], state_msr_value(s, i));
    }
}

static void state_expect(Cpu *cpu, const char *what, uint64_t want,
                         uint64_t got)
{
    if (want != got) {
        cpu->fails++;
        say("FAIL cpu=%u %s expected=%x got=%x", (uint64_t)cpu->id, what, want,
            got);
    }
}

static void state_check(Cpu *cpu)
{
    uint64_t s = cpu->state_seed;
    uint64_t lo, hi, xmm7;
    uint32_t mxcsr;
    uint16_t fcw;

    __asm__ volatile("movq %%xmm14, %0; movq %%xmm7, %2\n\t"
                     "movdqa %%xmm14, %%xmm1\n\t"
                     "psrldq $8, %%xmm1\n\t"
                     "movq %%xmm1, %1\n\t"
                     "stmxcsr %3; fnstcw %4"
                     : "=r"(lo), "=r"(hi), "=r"(xmm7), "=m"(mxcsr), "=m"(fcw));
    state_expect(cpu, "xmm14", mix64(s + 100), lo);
    state_expect(cpu, "xmm14 high", mix64(s + 101), hi);
    state_expect(cpu, "xmm7", mix64(s + 101), xmm7);
    state_expect(cpu, "mxcsr", 0x1f80 | (s & 0x6000), mxcsr);
    state_expect(cpu, "fcw", 0x037f | (s & 0xc00), fcw);
    for (unsigned i = 0; i < sizeof(state_msrs) / 4; i++) {
        uint64_t got = service(SVC_RDMSR, state_msrs[i], 0);

        if (got != state_msr_value(s, i)) {
            say("FAIL cpu=%u msr=%x expected=%x got=%x", (uint64_t)cpu->id,
                (uint64_t)state_msrs[i], state_msr_value(s, i), got);
            cpu->fails++;
        }
    }
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;

        a = b;
        b = t;
    }
    return a;
}

void load_pattern_fill(Cpu *cpu)
{
    for (uint64_t i = 0; i < cpu->npages; i++) {
        Pattern p = pattern_of(cpu->first_page + i, 0);

        pattern_write(memory_page(cpu->first_page + i), &p);
        heartbeat(cpu);
    }
    if (cpu->id == 0) {
        disk_fill(cpu);
        dma_fill(cpu);
    }
    cpu->stride = (cpu->npages * 5 / 8) | 1;
    while (gcd(cpu->stride, cpu->npages) != 1) {
        cpu->stride += 2;
    }
}

/*
 * Pass g takes every page from generation g - 1 to g, in an order that jumps
 * about. Each step checks the page before it rewrites it, and another page
 * half a pass away, which has already been rewritten or not yet.
 */
static void pattern_step(Cpu *cpu, uint64_t generation)
{
    uint64_t n = cpu->npages;
    uint64_t index = cpu->first_page + cpu->cursor;
    uint64_t far_position = cpu->position + n / 2;
    uint64_t far_generation = generation - 1;
    uint64_t far_cursor;
    Pattern p;

    pattern_expect(cpu, index, generation - 1);
    if (!dma_owns(cpu, index)) {
        p = pattern_of(index, generation);
        pattern_write(memory_page(index), &p);
    }

    if (far_position >= n) {
        far_position -= n;
        far_generation = generation;
    }
    far_cursor = (cpu->cursor + n / 2 % n * cpu->stride) % n;
    if (far_cursor != cpu->cursor) {
        pattern_expect(cpu, cpu->first_page + far_cursor, far_generation);
    }

    cpu->pages_done++;
    step_register_set(step_register() + 1);
    state_expect(cpu, "steps", step_register(), cpu->pages_done);
    cpu->position++;
    cpu->cursor = (cpu->cursor + cpu->stride) % n;
}

static void pattern_begin(Cpu *cpu)
{
    cpu->state_seed = mix64((cpu->passes + 1) * CPU_MAX + cpu->id);
    state_write(cpu);
    cpu->position = 0;
}

void load_pattern_start(Cpu *cpu)
{
    step_register_set(cpu->pages_done);
    pattern_begin(cpu);
}

void load_pattern_turn(Cpu *cpu)
{
    uint64_t page = cpu->position;

    pattern_step(cpu, cpu->passes + 1);
    disk_pace(cpu, page);
    dma_pace(cpu, page);
    if (cpu->position < cpu->npages) {
        return;
    }
    state_check(cpu);
    cpu->passes++;
    if ((int64_t)(cpu->last_tsc - cpu->next_ok_tsc) >= 0) {
        cpu->next_ok_tsc = cpu->last_tsc + config.report_ms * tsc_khz;
        say("ok pass=%u cpu=%u fails=%u", cpu->passes, (uint64_t)cpu->id,
            cpu->fails);
    }
    pattern_begin(cpu);
}

void load_pattern(Cpu *cpu)
{
    load_pattern_start(cpu);
    for (;;) {
        load_pace(cpu);
        load_pattern_turn(cpu);
    }
}
