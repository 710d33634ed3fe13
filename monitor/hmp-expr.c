/*
 * Numbers of the human monitor: expressions with CPU registers in them.
 *
 *   sum     logic { (+|-) logic }
 *   logic   product { (&|^||) product }
 *   product unary { (*|/|%) unary }
 *   unary   (+|-|~) unary, ( sum ), 'c', $register, number
 *
 * 64-bit arithmetic that wraps around.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "target/i386/cpu.h"

enum { EXPR_DEPTH = 64, REG_NAME_MAX = 16 };

typedef struct Expr {
    HmpOut *out;
    const char *s;
    unsigned depth; /* of parentheses and signs */
    bool failed;    /* the message is printed */
} Expr;

static uint64_t expr_sum(Expr *e);

static void expr_skip(Expr *e)
{
    while (g_ascii_isspace(*e->s)) {
        e->s++;
    }
}

G_GNUC_PRINTF(2, 3)
static uint64_t expr_fail(Expr *e, const char *fmt, ...)
{
    va_list ap;

    if (!e->failed) {
        va_start(ap, fmt);
        g_string_append_vprintf(e->out->text, fmt, ap);
        va_end(ap);
        g_string_append_c(e->out->text, '\n');
    }
    e->failed = true;
    return 0;
}

/* Registers */

static bool find_gpr(const char *name, unsigned *ret)
{
    static const char *const names[8] = { "ax", "cx", "dx", "bx",
                                          "sp", "bp", "si", "di" };

    if ((name[0] == 'e' || name[0] == 'r') && strlen(name) == 3) {
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
            if (g_str_equal(name + 1, names[i])) {
                *ret = i;
                return true;
            }
        }
    }
    for (unsigned i = 8; i < X86_NREGS; i++) {
        char num[8];

        g_snprintf(num, sizeof(num), "r%u", i);
        if (g_str_equal(name, num)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool find_segment(const X86Cpu *c, const char *name, uint64_t *ret)
{
    static const char names[X86_NSEGS][3] = {
        "es", "cs", "ss", "ds", "fs", "gs"
    };

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        const X86Segment *s = &c->segs[i];

        if (strncmp(name, names[i], 2) != 0) {
            continue;
        }
        if (name[2] == '\0' || g_str_equal(name + 2, ".base") ||
            g_str_equal(name + 2, ".limit")) {
            *ret = name[2] == '\0'  ? s->selector
                   : name[3] == 'b' ? s->base
                                    : s->limit;
            return true;
        }
    }
    return false;
}

static bool find_register(const X86Cpu *c, const char *name, uint64_t *ret)
{
    unsigned i;

    if (find_gpr(name, &i)) {
        *ret = c->regs[i];
    } else if (g_str_equal(name, "pc")) {
        *ret = c->segs[X86_CS].base + c->rip;
    } else if (g_str_equal(name, "eip") || g_str_equal(name, "rip")) {
        *ret = c->rip;
    } else if (g_str_equal(name, "sp")) {
        *ret = c->regs[X86_RSP];
    } else if (g_str_equal(name, "eflags") || g_str_equal(name, "rflags")) {
        *ret = c->rflags;
    } else if (name[0] == 'c' && name[1] == 'r' && name[2] >= '0' &&
               name[2] <= '4' && name[2] != '1' && name[3] == '\0') {
        *ret = c->cr[name[2] - '0'];
    } else {
        return find_segment(c, name, ret);
    }
    return true;
}

static uint64_t expr_register(Expr *e)
{
    char name[REG_NAME_MAX];
    size_t n = 0;
    uint64_t v;
    Vcpu *cpu = hmp_current_cpu(e->out);

    if (!cpu || !cpu->x86 || !vcpu_sync_state(cpu, NULL)) {
        return expr_fail(e, "No CPU available");
    }
    while ((g_ascii_isalnum(*e->s) || *e->s == '.') && n < sizeof(name) - 1) {
        name[n++] = *e->s++;
    }
    name[n] = '\0';
    if (!find_register(cpu->x86, name, &v)) {
        return expr_fail(e, "unknown register");
    }
    return v;
}

/* The grammar */

static uint64_t expr_number(Expr *e)
{
    char *end;
    uint64_t v;

    errno = 0;
    v = g_ascii_strtoull(e->s, &end, 0);
    if (errno == ERANGE) {
        return expr_fail(e, "number too large");
    }
    if (end == e->s) {
        return *e->s ? expr_fail(e, "invalid char '%c' in expression", *e->s)
                     : expr_fail(e, "unexpected end of expression");
    }
    e->s = end;
    return v;
}

static uint64_t expr_char(Expr *e)
{
    uint64_t v;

    if (*e->s == '\0') {
        return expr_fail(e, "character constant expected");
    }
    v = (uint8_t)*e->s++;
    if (*e->s != '\'') {
        return expr_fail(e, "missing terminating ' character");
    }
    e->s++;
    return v;
}

static uint64_t expr_unary(Expr *e)
{
    uint64_t v;
    char c;

    expr_skip(e);
    c = *e->s;
    if (!c || !strchr("+-~('$", c)) {
        return expr_number(e);
    }
    if (++e->depth > EXPR_DEPTH) {
        return expr_fail(e, "expression nested more than %d deep", EXPR_DEPTH);
    }
    e->s++;
    switch (c) {
    case '(':
        v = expr_sum(e);
        if (*e->s != ')') {
            return expr_fail(e, "')' expected");
        }
        e->s++;
        break;
    case '\'':
        v = expr_char(e);
        break;
    case '$':
        v = expr_register(e);
        break;
    default:
        v = expr_unary(e);
        v = c == '-' ? -v : c == '~' ? ~v : v;
        break;
    }
    e->depth--;
    expr_skip(e);
    return v;
}

static uint64_t expr_product(Expr *e)
{
    uint64_t v = expr_unary(e);

    expr_skip(e);
    while (!e->failed && *e->s && strchr("*/%", *e->s)) {
        char op = *e->s++;
        uint64_t w = expr_unary(e);

        expr_skip(e);
        if (op == '*') {
            v *= w;
        } else if (e->failed || w == 0) {
            return expr_fail(e, "division by zero");
        } else {
            v = op == '/' ? v / w : v % w;
        }
    }
    return v;
}

static uint64_t expr_logic(Expr *e)
{
    uint64_t v = expr_product(e);

    while (!e->failed && *e->s && strchr("&^|", *e->s)) {
        char op = *e->s++;
        uint64_t w = expr_product(e);

        v = op == '&' ? v & w : op == '^' ? v ^ w : v | w;
    }
    return v;
}

static uint64_t expr_sum(Expr *e)
{
    uint64_t v = expr_logic(e);

    while (!e->failed && (*e->s == '+' || *e->s == '-')) {
        char op = *e->s++;
        uint64_t w = expr_logic(e);

        v = op == '+' ? v + w : v - w;
    }
    return v;
}

bool hmp_eval(HmpOut *out, const char **text, uint64_t *ret)
{
    Expr e = { .out = out, .s = *text };
    uint64_t v = expr_sum(&e);

    if (e.failed) {
        return false;
    }
    *text = e.s;
    *ret = v;
    return true;
}
