/*
 * The commands of the qtest protocol.
 *
 * What a test sends is checked like any other input: numbers, sizes and hex
 * digits that are wrong get an ERR or FAIL line.  The form of the answers
 * was learnt by asking the program that tests are written for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/qtest/qtest-priv.h"
#include "util/bswap.h"
#include "util/cutils.h"
#include "util/error.h"

typedef struct QtestArgs {
    const char *name; /* of the command */
    char *word[QTEST_MAX_WORDS];
    unsigned n;
} QtestArgs;

typedef struct QtestCmd {
    const char *name;
    unsigned min_args, max_args;
    /* False with the reason, which goes out as an ERR line. */
    bool (*fn)(QtestServer *qs, const QtestArgs *a, GError **errp);
} QtestCmd;

static bool arg_uint(const QtestArgs *a, unsigned i, const char *what,
                     uint64_t max, uint64_t *ret_v, GError **errp)
{
    return parse_uint(what, a->word[i], 0, max, ret_v, errp);
}

/* Address and size of a buffer: at least one byte, no wrap around. */
static bool arg_buffer(const QtestArgs *a, uint64_t max, uint64_t *ret_addr,
                       uint64_t *ret_len, GError **errp)
{
    uint64_t addr, len;

    if (!arg_uint(a, 0, "address", UINT64_MAX, &addr, errp) ||
        !arg_uint(a, 1, "size", max, &len, errp)) {
        return false;
    }
    if (len > 0 && addr > UINT64_MAX - (len - 1)) {
        error_setf(errp,
                   "size %" PRIu64 " at address 0x%" PRIx64
                   ": beyond the address space",
                   len, addr);
        return false;
    }
    *ret_addr = addr;
    *ret_len = len;
    return true;
}

/* Bytes that a command's last letter stands for. */
static unsigned suffix_size(const char *name)
{
    switch (name[strlen(name) - 1]) {
    case 'b':
        return 1;
    case 'w':
        return 2;
    case 'l':
        return 4;
    default:
        return 8;
    }
}

static bool cmd_endianness(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    qtest_reply(qs, "OK little");
    return true;
}

/* Ports */

static bool cmd_in(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    uint64_t port, v;
    MemResult r;

    if (!arg_uint(a, 0, "port", 0xffff, &port, errp)) {
        return false;
    }
    v = address_space_load(&qs->vm->mem.io, port, suffix_size(a->name), &r);
    qtest_reply(qs, "OK 0x%04" PRIx64, v);
    return true;
}

static bool cmd_out(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    unsigned size = suffix_size(a->name);
    uint64_t port, v;

    if (!arg_uint(a, 0, "port", 0xffff, &port, errp) ||
        !arg_uint(a, 1, "value", UINT64_MAX, &v, errp)) {
        return false;
    }
    address_space_store(&qs->vm->mem.io, port, v & MAKE_64BIT_MASK(0, size * 8),
                        size);
    qtest_reply(qs, "OK");
    return true;
}

/* Memory */

static bool cmd_read_one(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    uint64_t addr, v;
    MemResult r;

    if (!arg_uint(a, 0, "address", UINT64_MAX, &addr, errp)) {
        return false;
    }
    v = address_space_load(&qs->vm->mem.memory, addr, suffix_size(a->name), &r);
    /* Tests expect zero where nothing is, unlike on the port bus. */
    qtest_reply(qs, "OK 0x%016" PRIx64, r == MEM_UNASSIGNED ? 0 : v);
    return true;
}

static bool cmd_write_one(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    unsigned size = suffix_size(a->name);
    uint64_t addr, v;

    if (!arg_uint(a, 0, "address", UINT64_MAX, &addr, errp) ||
        !arg_uint(a, 1, "value", UINT64_MAX, &v, errp)) {
        return false;
    }
    address_space_store(&qs->vm->mem.memory, addr,
                        v & MAKE_64BIT_MASK(0, size * 8), size);
    qtest_reply(qs, "OK");
    return true;
}

static uint8_t *read_buffer(QtestServer *qs, const QtestArgs *a,
                            uint64_t *ret_len, GError **errp)
{
    uint64_t addr, len;
    uint8_t *buf;

    if (!arg_buffer(a, QTEST_MAX_BYTES, &addr, &len, errp)) {
        return NULL;
    }
    if (len == 0) {
        error_setf(errp, "invalid argument size");
        return NULL;
    }
    buf = g_malloc(len);
    address_space_read(&qs->vm->mem.memory, addr, buf, len);
    *ret_len = len;
    return buf;
}

static bool cmd_read(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    static const char digits[] = "0123456789abcdef";
    g_autofree uint8_t *buf = NULL;
    g_autofree char *text = NULL;
    uint64_t len;
    char *p;

    buf = read_buffer(qs, a, &len, errp);
    if (buf == NULL) {
        return false;
    }
    p = text = g_malloc(2 * len + 6);
    p = stpcpy(p, "OK 0x");
    for (uint64_t i = 0; i < len; i++) {
        *p++ = digits[buf[i] >> 4];
        *p++ = digits[buf[i] & 15];
    }
    *p = '\0';
    qtest_reply_text(qs, text);
    return true;
}

static bool cmd_b64read(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    g_autofree uint8_t *buf = NULL;
    g_autofree char *b64 = NULL, *text = NULL;
    uint64_t len;

    buf = read_buffer(qs, a, &len, errp);
    if (buf == NULL) {
        return false;
    }
    b64 = g_base64_encode(buf, len);
    text = g_strconcat("OK ", b64, NULL);
    qtest_reply_text(qs, text);
    return true;
}

static uint8_t *parse_hex(const char *hex, uint64_t len, GError **errp)
{
    g_autofree uint8_t *buf = g_malloc(len);

    if (g_str_has_prefix(hex, "0x")) {
        hex += 2;
    }
    if (strlen(hex) != 2 * len) {
        error_setf(errp, "%zu hex digits for %" PRIu64 " bytes", strlen(hex),
                   len);
        return NULL;
    }
    for (uint64_t i = 0; i < len; i++) {
        int hi = g_ascii_xdigit_value(hex[2 * i]);
        int lo = g_ascii_xdigit_value(hex[2 * i + 1]);

        if (hi < 0 || lo < 0) {
            error_setf(errp, "'%.2s' at byte %" PRIu64 ": not hexadecimal",
                       hex + 2 * i, i);
            return NULL;
        }
        buf[i] = hi << 4 | lo;
    }
    return g_steal_pointer(&buf);
}

static bool cmd_write(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, len;

    if (!arg_buffer(a, QTEST_MAX_BYTES, &addr, &len, errp)) {
        return false;
    }
    buf = parse_hex(a->word[2], len, errp);
    if (len > 0 && buf == NULL) {
        return false;
    }
    address_space_write(&qs->vm->mem.memory, addr, buf, len);
    qtest_reply(qs, "OK");
    return true;
}

static bool cmd_b64write(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, len;
    gsize got = 0;

    if (!arg_buffer(a, QTEST_MAX_BYTES, &addr, &len, errp)) {
        return false;
    }
    buf = g_base64_decode(a->word[2], &got);
    if (got != len) {
        error_setf(errp, "%zu bytes of data for size %" PRIu64, got, len);
        return false;
    }
    address_space_write(&qs->vm->mem.memory, addr, buf, len);
    qtest_reply(qs, "OK");
    return true;
}

static bool cmd_memset(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    uint64_t addr, len, v;

    if (!arg_buffer(a, 4 * GiB, &addr, &len, errp) ||
        !arg_uint(a, 2, "value", UINT64_MAX, &v, errp)) {
        return false;
    }
    if (len > 0) {
        address_space_fill(&qs->vm->mem.memory, addr, v, len);
    }
    qtest_reply(qs, "OK");
    return true;
}

/* The clock */

static bool clock_is_manual(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    if (qs->vm->accel->type != &qtest_accel_type) {
        error_setf(errp, "%s: only with -accel qtest", a->name);
        return false;
    }
    return true;
}

static bool clock_go(QtestServer *qs, int64_t to_ns)
{
    clocks_step_to(qs->vm->clocks, to_ns);
    qtest_reply(qs, "OK %" PRId64,
                clock_get_ns(qs->vm->clocks, CLOCK_TYPE_VIRTUAL));
    return true;
}

static bool cmd_clock_step(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    int64_t now = clock_get_ns(qs->vm->clocks, CLOCK_TYPE_VIRTUAL);
    int64_t to = clocks_next_virtual(qs->vm->clocks);
    uint64_t ns;

    if (!clock_is_manual(qs, a, errp)) {
        return false;
    }
    if (a->n > 0) {
        if (!arg_uint(a, 0, "time", INT64_MAX - now, &ns, errp)) {
            return false;
        }
        to = now + (int64_t)ns;
    }
    return clock_go(qs, MAX(to, now));
}

static bool cmd_clock_set(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    int64_t now = clock_get_ns(qs->vm->clocks, CLOCK_TYPE_VIRTUAL);
    uint64_t ns;

    if (!clock_is_manual(qs, a, errp) ||
        !arg_uint(a, 0, "time", INT64_MAX, &ns, errp)) {
        return false;
    }
    return clock_go(qs, MAX((int64_t)ns, now));
}

/* Pins */

static bool pins_there(QtestServer *qs, GError **errp)
{
    if (qs->pins == NULL) {
        error_setf(errp, "no interrupt pins here");
        return false;
    }
    return true;
}

static bool cmd_intercept(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    bool outputs = g_str_has_suffix(a->name, "_out");
    g_autoptr(GError) err = NULL;

    if (!pins_there(qs, errp)) {
        return false;
    }
    if (qs->pins->intercept(qs, a->word[0], outputs,
                            a->n > 1 ? a->word[1] : NULL, &err)) {
        qtest_reply(qs, "OK");
    } else {
        qtest_reply(qs, "FAIL %s", err->message);
    }
    return true;
}

static bool cmd_set_irq_in(QtestServer *qs, const QtestArgs *a, GError **errp)
{
    g_autoptr(GError) err = NULL;
    uint64_t n;
    int64_t level;

    if (!pins_there(qs, errp) ||
        !arg_uint(a, 2, "number", UINT_MAX, &n, errp) ||
        !parse_int("level", a->word[3], -1, 1, &level, errp)) {
        return false;
    }
    if (qs->pins->set_input(qs, a->word[0], a->word[1], n, level, &err)) {
        qtest_reply(qs, "OK");
    } else {
        qtest_reply(qs, "FAIL %s", err->message);
    }
    return true;
}

static const QtestCmd commands[] = {
    { "endianness", 0, 0, cmd_endianness },
    { "inb", 1, 1, cmd_in },
    { "inw", 1, 1, cmd_in },
    { "inl", 1, 1, cmd_in },
    { "outb", 2, 2, cmd_out },
    { "outw", 2, 2, cmd_out },
    { "outl", 2, 2, cmd_out },
    { "readb", 1, 1, cmd_read_one },
    { "readw", 1, 1, cmd_read_one },
    { "readl", 1, 1, cmd_read_one },
    { "readq", 1, 1, cmd_read_one },
    { "writeb", 2, 2, cmd_write_one },
    { "writew", 2, 2, cmd_write_one },
    { "writel", 2, 2, cmd_write_one },
    { "writeq", 2, 2, cmd_write_one },
    { "read", 2, 2, cmd_read },
    { "write", 3, 3, cmd_write },
    { "b64read", 2, 2, cmd_b64read },
    { "b64write", 3, 3, cmd_b64write },
    { "memset", 3, 3, cmd_memset },
    { "clock_step", 0, 1, cmd_clock_step },
    { "clock_set", 1, 1, cmd_clock_set },
    { "irq_intercept_in", 1, 1, cmd_intercept },
    { "irq_intercept_out", 1, 2, cmd_intercept },
    { "set_irq_in", 4, 4, cmd_set_irq_in },
};

/* False if there are more words than any command takes. */
static bool split_words(char *line, QtestArgs *a)
{
    char *save = NULL;
    char *w = strtok_r(line, " \t", &save);

    *a = (QtestArgs){ .name = w };
    while (w != NULL && (w = strtok_r(NULL, " \t", &save)) != NULL) {
        if (a->n == QTEST_MAX_WORDS) {
            return false;
        }
        a->word[a->n++] = w;
    }
    return true;
}

void qtest_command(QtestServer *qs, char *line)
{
    g_autoptr(GError) err = NULL;
    QtestArgs a;
    bool few_words = split_words(line, &a);

    if (a.name == NULL) {
        qtest_reply(qs, "ERR empty line");
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        const QtestCmd *c = &commands[i];

        if (!g_str_equal(c->name, a.name)) {
            continue;
        }
        if (!few_words || a.n < c->min_args || a.n > c->max_args) {
            qtest_reply(qs, "ERR %s: wrong number of arguments", c->name);
        } else if (!c->fn(qs, &a, &err)) {
            qtest_reply(qs, "ERR %s", err->message);
        }
        return;
    }
    qtest_reply(qs, "FAIL Unknown command '%.64s'", a.name);
}
