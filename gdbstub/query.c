/*
 * The debugger's server: general queries, packets that begin with q or Q.
 *
 * "Debugging with GDB", appendix E, "General Query Packets".  Those named
 * qqemu are of the program of the same name, which documents them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/gdbstub-priv.h"

/* Text bytes of a monitor command's answer in one packet. */
enum { ANSWER_CHUNK = GDB_PACKET_MAX / 2 - 8 };

typedef struct GdbQuery {
    const char *name;
    bool prefix; /* arguments follow */
    void (*fn)(GdbServer *g, const char *args);
} GdbQuery;

static void query_supported(GdbServer *g, const char *args)
{
    g_autofree char *answer = NULL;
    g_auto(GStrv) theirs = g_strsplit_set(args, ":;", -1);

    for (char **f = theirs; *f; f++) {
        g->multiprocess |= g_str_equal(*f, "multiprocess+");
        g->swbreak |= g_str_equal(*f, "swbreak+");
        g->hwbreak |= g_str_equal(*f, "hwbreak+");
    }
    answer = g_strdup_printf("PacketSize=%x;qXfer:features:read+;"
                             "vContSupported+;multiprocess+;swbreak+;hwbreak+;"
                             "QStartNoAckMode+",
                             GDB_PACKET_MAX);
    gdb_send(g, answer);
}

static void query_no_ack(GdbServer *g, const char *args)
{
    gdb_send_ok(g);
    g->no_ack = true;
}

static void query_attached(GdbServer *g, const char *args)
{
    /* The guest was there before the client, and stays when it leaves. */
    gdb_send(g, "1");
}

static void query_current(GdbServer *g, const char *args)
{
    g_autoptr(GString) text = g_string_new("QC");

    gdb_append_thread(g, text, g->g_cpu);
    gdb_send(g, text->str);
}

static void query_threads_next(GdbServer *g, const char *args)
{
    g_autoptr(GString) text = g_string_new(NULL);

    while (g->next_cpu < g->vm->nvcpus && text->len < GDB_PACKET_MAX - 32) {
        g_string_append_c(text, text->len ? ',' : 'm');
        gdb_append_thread(g, text, g->next_cpu++);
    }
    gdb_send(g, text->len ? text->str : "l");
}

static void query_threads_first(GdbServer *g, const char *args)
{
    g->next_cpu = 0;
    query_threads_next(g, args);
}

static void query_thread_info(GdbServer *g, const char *args)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *info = NULL;
    unsigned i = 0;
    Vcpu *cpu;

    if (gdb_parse_thread(g, &args, &i) != GDB_THREADS_ONE) {
        gdb_send_error(g, EINVAL);
        return;
    }
    cpu = gdb_cpu(g, i);
    if (!cpu->x86 || !vcpu_sync_state(cpu, NULL)) {
        gdb_send_error(g, EIO);
        return;
    }
    info = g_strdup_printf("CPU#%u [%s]", i,
                           cpu->x86->halted ? "halted" : "running");
    gdb_hex_append(text, info, strlen(info));
    gdb_send(g, text->str);
}

/* "annex:offset,length" */
static void query_features(GdbServer *g, const char *args)
{
    static const char annex[] = "target.xml:";
    const Vcpu *cpu = gdb_cpu(g, 0); /* all are of one model */
    g_autofree char *xml = NULL;
    g_autoptr(GString) part = NULL;
    uint64_t off, n;
    size_t len;

    if (!g_str_has_prefix(args, annex)) {
        gdb_send(g, "E00"); /* the protocol's word for an unknown annex */
        return;
    }
    args += strlen(annex);
    if (!gdb_hex_number(&args, &off) || *args++ != ',' ||
        !gdb_hex_number(&args, &n) || *args) {
        gdb_send_error(g, EINVAL);
        return;
    }
    if (!cpu || !cpu->x86) {
        gdb_send_error(g, EIO);
        return;
    }
    xml = gdb_target_xml(cpu->x86);
    len = strlen(xml);
    if (off > len) {
        gdb_send_error(g, EINVAL);
        return;
    }
    /* Escapes may double it. */
    n = MIN(n, GDB_PACKET_MAX / 2 - 1);
    part = g_string_new(n < len - off ? "m" : "l");
    g_string_append_len(part, xml + off, (gssize)MIN(n, len - off));
    gdb_send_bytes(g, part);
}

/* The monitor's answer goes to the user's terminal, in "O" packets. */
static void query_monitor(GdbServer *g, const char *args)
{
    g_autoptr(GString) answer = g_string_new(NULL);
    size_t n = strlen(args) / 2;
    g_autofree char *line = g_malloc(n + 1);

    if (strlen(args) % 2 || !gdb_hex_decode(args, n, (uint8_t *)line)) {
        gdb_send_error(g, EINVAL);
        return;
    }
    line[n] = '\0';
    g->in_monitor = true;
    g->monitor(g->vm, line, answer);
    g->in_monitor = false;
    for (size_t at = 0; at < answer->len; at += ANSWER_CHUNK) {
        g_autoptr(GString) text = g_string_new("O");

        gdb_hex_append(text, answer->str + at,
                       MIN(answer->len - at, (size_t)ANSWER_CHUNK));
        gdb_send(g, text->str);
    }
    gdb_send_ok(g);
}

static void query_step_bits(GdbServer *g, const char *args)
{
    g_autofree char *text =
        g_strdup_printf("ENABLE=%x,NOIRQ=%x", GDB_STEP_ENABLE, GDB_STEP_NO_IRQ);

    gdb_send(g, text);
}

static void query_step(GdbServer *g, const char *args)
{
    g_autofree char *text = g_strdup_printf("0x%x", g->step_bits);

    gdb_send(g, text);
}

static void set_step(GdbServer *g, const char *args)
{
    uint64_t bits;

    if (g_str_has_prefix(args, "0x")) {
        args += 2;
    }
    if (!gdb_hex_number(&args, &bits) || *args ||
        (bits & ~(uint64_t)(GDB_STEP_ENABLE | GDB_STEP_NO_IRQ))) {
        gdb_send_error(g, EINVAL);
        return;
    }
    g->step_bits = bits;
    gdb_send_ok(g);
}

static void query_phys_mem(GdbServer *g, const char *args)
{
    gdb_send(g, g->phys_mem ? "1" : "0");
}

static void set_phys_mem(GdbServer *g, const char *args)
{
    if (!g_str_equal(args, "0") && !g_str_equal(args, "1")) {
        gdb_send_error(g, EINVAL);
        return;
    }
    g->phys_mem = *args == '1';
    gdb_send_ok(g);
}

static const GdbQuery queries[] = {
    { "qSupported", true, query_supported },
    { "QStartNoAckMode", false, query_no_ack },
    { "qAttached", true, query_attached },
    { "qC", false, query_current },
    { "qfThreadInfo", false, query_threads_first },
    { "qsThreadInfo", false, query_threads_next },
    { "qThreadExtraInfo,", true, query_thread_info },
    { "qXfer:features:read:", true, query_features },
    { "qRcmd,", true, query_monitor },
    { "qqemu.sstepbits", false, query_step_bits },
    { "qqemu.sstep", false, query_step },
    { "Qqemu.sstep=", true, set_step },
    { "qqemu.PhyMemMode", false, query_phys_mem },
    { "Qqemu.PhyMemMode:", true, set_phys_mem },
};

void gdb_handle_query(GdbServer *g, const char *data)
{
    for (size_t i = 0; i < G_N_ELEMENTS(queries); i++) {
        const GdbQuery *q = &queries[i];

        if (q->prefix ? g_str_has_prefix(data, q->name)
                      : g_str_equal(data, q->name)) {
            q->fn(g, data + strlen(q->name));
            return;
        }
    }
    gdb_send(g, "");
}
