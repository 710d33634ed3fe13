/*
 * The debugger's server: packets that don't begin with q.
 *
 * "Debugging with GDB", appendix E, "Packets".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/gdbstub-priv.h"

#include "accel/guest-memory.h"
#include "system/vm.h"

/* Bytes that fit into a packet as hex digits. */
enum { MEMORY_MAX = GDB_PACKET_MAX / 2 };

static bool registers_of(GdbServer *g, GdbRegs *ret)
{
    Vcpu *cpu = gdb_cpu(g, g->g_cpu);

    if (!cpu || !cpu->x86 || !vcpu_sync_state(cpu, NULL)) {
        return false;
    }
    ret->cpu = cpu->x86;
    ret->fpregs_physical = g_str_equal(g->vm->accel->type->name, "tcg");
    return true;
}

static void registers_changed(GdbServer *g)
{
    vcpu_mark_state(gdb_cpu(g, g->g_cpu), VCPU_PUT_RUNTIME);
}

static void handle_get_all(GdbServer *g, const char *args, size_t len)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint8_t buf[16];
    GdbRegs r;

    if (!registers_of(g, &r)) {
        gdb_send_error(g, EINVAL);
        return;
    }
    for (unsigned n = 0; n < gdb_regs_count(r.cpu); n++) {
        gdb_reg_get(&r, n, buf);
        gdb_hex_append(text, buf, gdb_reg_size(n));
    }
    gdb_send(g, text->str);
}

static void handle_set_all(GdbServer *g, const char *args, size_t len)
{
    uint8_t buf[16];
    GdbRegs r;

    if (!registers_of(g, &r)) {
        gdb_send_error(g, EINVAL);
        return;
    }
    /* A client that knows fewer registers sends fewer. */
    for (unsigned n = 0; n < gdb_regs_count(r.cpu); n++) {
        unsigned size = gdb_reg_size(n);

        if (len < 2 * size) {
            break;
        }
        /* "xx": leave it as it is. */
        if (gdb_hex_decode(args, size, buf)) {
            gdb_reg_set(&r, n, buf);
        }
        args += 2 * size;
        len -= 2 * size;
    }
    registers_changed(g);
    gdb_send_ok(g);
}

static void handle_get_one(GdbServer *g, const char *args, size_t len)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint8_t buf[16];
    uint64_t n;
    GdbRegs r;

    if (!gdb_hex_number(&args, &n) || *args || !registers_of(g, &r) ||
        n >= gdb_regs_count(r.cpu)) {
        gdb_send_error(g, EINVAL);
        return;
    }
    gdb_reg_get(&r, n, buf);
    gdb_hex_append(text, buf, gdb_reg_size(n));
    gdb_send(g, text->str);
}

static void handle_set_one(GdbServer *g, const char *args, size_t len)
{
    uint8_t buf[16];
    uint64_t n;
    GdbRegs r;

    if (!gdb_hex_number(&args, &n) || *args++ != '=' || !registers_of(g, &r) ||
        n >= gdb_regs_count(r.cpu) || strlen(args) != 2 * gdb_reg_size(n) ||
        !gdb_hex_decode(args, gdb_reg_size(n), buf)) {
        gdb_send_error(g, EINVAL);
        return;
    }
    gdb_reg_set(&r, n, buf);
    registers_changed(g);
    gdb_send_ok(g);
}

/* Memory */

/* "addr,len" and what follows it. */
static bool parse_range(const char **args, uint64_t *ret_addr, uint64_t *ret_n)
{
    return gdb_hex_number(args, ret_addr) && *(*args)++ == ',' &&
           gdb_hex_number(args, ret_n) && *ret_n <= MEMORY_MAX;
}

static bool memory_read(GdbServer *g, uint64_t addr, void *buf, size_t n)
{
    Vcpu *cpu = gdb_cpu(g, g->g_cpu);

    if (vm_memory_awaited(g->vm)) {
        return false; /* a debugger must not wait for a source */
    }
    if (g->phys_mem) {
        return address_space_read(&g->vm->mem.memory, addr, buf, n) == MEM_OK;
    }
    return cpu && vcpu_read_virt(cpu, addr, buf, n);
}

static bool memory_write(GdbServer *g, uint64_t addr, const void *buf, size_t n)
{
    Vcpu *cpu = gdb_cpu(g, g->g_cpu);

    if (vm_memory_awaited(g->vm)) {
        return false;
    }
    if (g->phys_mem) {
        return address_space_write_rom(&g->vm->mem.memory, addr, buf, n) ==
               MEM_OK;
    }
    return cpu && vcpu_write_virt(cpu, addr, buf, n);
}

static void handle_read(GdbServer *g, const char *args, size_t len)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint8_t buf[MEMORY_MAX];
    uint64_t addr, n;

    if (!parse_range(&args, &addr, &n) || *args) {
        gdb_send_error(g, EINVAL);
    } else if (!memory_read(g, addr, buf, n)) {
        gdb_send_error(g, EFAULT);
    } else {
        gdb_hex_append(text, buf, n);
        gdb_send(g, text->str);
    }
}

static void handle_write(GdbServer *g, const char *args, size_t len)
{
    uint8_t buf[MEMORY_MAX];
    uint64_t addr, n;

    if (!parse_range(&args, &addr, &n) || *args++ != ':' ||
        strlen(args) != 2 * n || !gdb_hex_decode(args, n, buf)) {
        gdb_send_error(g, EINVAL);
    } else if (!memory_write(g, addr, buf, n)) {
        gdb_send_error(g, EFAULT);
    } else {
        gdb_send_ok(g);
    }
}

static void handle_write_binary(GdbServer *g, const char *args, size_t len)
{
    const char *end = args + len;
    uint64_t addr, n;

    if (!parse_range(&args, &addr, &n) || *args++ != ':' ||
        (size_t)(end - args) != n) {
        gdb_send_error(g, EINVAL);
    } else if (!memory_write(g, addr, args, n)) {
        gdb_send_error(g, EFAULT);
    } else {
        gdb_send_ok(g);
    }
}

/* Breakpoints */

static bool parse_point(const char *args, DebugPoint *ret)
{
    uint64_t kind;

    if (!gdb_hex_number(&args, &kind) || *args++ != ',' ||
        !gdb_hex_number(&args, &ret->addr) || *args++ != ',' ||
        !gdb_hex_number(&args, &ret->len)) {
        return false;
    }
    ret->kind = kind;
    return kind < DEBUG_KINDS && ret->len > 0;
}

static void change_point(GdbServer *g, const char *args, bool add)
{
    DebugPoint p;
    int r;

    if (*args >= '5' && *args <= '9') {
        gdb_send(g, ""); /* a kind that isn't known */
        return;
    }
    if (!parse_point(args, &p)) {
        gdb_send_error(g, EINVAL);
        return;
    }
    r = add ? gdb_point_add(g, &p) : gdb_point_remove(g, &p);
    if (r < 0) {
        gdb_send_error(g, -r);
    } else {
        gdb_send_ok(g);
    }
}

static void handle_point_add(GdbServer *g, const char *args, size_t len)
{
    change_point(g, args, true);
}

static void handle_point_remove(GdbServer *g, const char *args, size_t len)
{
    change_point(g, args, false);
}

/* Running */

static GdbAction *actions_new(const GdbServer *g, GdbAction all)
{
    GdbAction *a = g_new(GdbAction, MAX(g->vm->nvcpus, 1));

    for (unsigned i = 0; i < g->vm->nvcpus; i++) {
        a[i] = all;
    }
    return a;
}

static bool set_pc(GdbServer *g, const char *args)
{
    uint64_t pc;
    GdbRegs r;

    if (*args == '\0') {
        return true;
    }
    g->g_cpu = g->c_cpu;
    if (!gdb_hex_number(&args, &pc) || *args || !registers_of(g, &r)) {
        return false;
    }
    r.cpu->rip = pc;
    registers_changed(g);
    return true;
}

static void run_from(GdbServer *g, const char *args, bool step)
{
    g_autofree GdbAction *a = actions_new(g, GDB_ACTION_CONTINUE);

    if (!set_pc(g, args)) {
        gdb_send_error(g, EINVAL);
        return;
    }
    if (step && gdb_cpu(g, g->c_cpu)) {
        a[g->c_cpu] = GDB_ACTION_STEP;
    }
    gdb_resume(g, a);
}

static void handle_continue(GdbServer *g, const char *args, size_t len)
{
    run_from(g, args, false);
}

static void handle_step(GdbServer *g, const char *args, size_t len)
{
    run_from(g, args, true);
}

/* "C sig[;addr]": there are no signals to give to a CPU. */
static void run_signal(GdbServer *g, const char *args, bool step)
{
    uint64_t sig;

    if (!gdb_hex_number(&args, &sig) || (*args && *args != ';')) {
        gdb_send_error(g, EINVAL);
        return;
    }
    run_from(g, *args ? args + 1 : args, step);
}

static void handle_continue_signal(GdbServer *g, const char *args, size_t len)
{
    run_signal(g, args, false);
}

static void handle_step_signal(GdbServer *g, const char *args, size_t len)
{
    run_signal(g, args, true);
}

/* One ";action[:thread]"; the first that names a thread counts for it. */
static bool parse_action(GdbServer *g, const char **args, GdbAction *a,
                         bool *set)
{
    char c = *(*args)++;
    GdbAction act =
        c == 's' || c == 'S' ? GDB_ACTION_STEP : GDB_ACTION_CONTINUE;
    GdbThreads who = GDB_THREADS_ALL;
    unsigned index = 0;
    uint64_t sig;

    if (c != 'c' && c != 's' && c != 'C' && c != 'S') {
        return false;
    }
    if ((c == 'C' || c == 'S') && !gdb_hex_number(args, &sig)) {
        return false;
    }
    if (**args == ':') {
        ++*args;
        who = gdb_parse_thread(g, args, &index);
    }
    if (who == GDB_THREADS_ANY) {
        index = g->c_cpu;
        who = gdb_cpu(g, index) ? GDB_THREADS_ONE : GDB_THREADS_BAD;
    }
    if (who == GDB_THREADS_BAD || (**args && **args != ';')) {
        return false;
    }
    for (unsigned i = 0; i < g->vm->nvcpus; i++) {
        if (!set[i] && (who == GDB_THREADS_ALL || i == index)) {
            a[i] = act;
            set[i] = true;
        }
    }
    return true;
}

static void handle_vcont(GdbServer *g, const char *args)
{
    g_autofree GdbAction *a = actions_new(g, GDB_ACTION_HOLD);
    g_autofree bool *set = g_new0(bool, MAX(g->vm->nvcpus, 1));

    if (g_str_equal(args, "?")) {
        gdb_send(g, "vCont;c;C;s;S");
        return;
    }
    if (*args != ';') {
        gdb_send_error(g, EINVAL);
        return;
    }
    while (*args) {
        args++; /* the ';' */
        if (!parse_action(g, &args, a, set)) {
            gdb_send_error(g, EINVAL);
            return;
        }
    }
    for (unsigned i = 0; i < g->vm->nvcpus; i++) {
        if (a[i] == GDB_ACTION_STEP) {
            g->c_cpu = i;
        }
    }
    gdb_resume(g, a);
}

static void kill_guest(GdbServer *g)
{
    vm_request_exit(g->vm, 0);
}

static void handle_v(GdbServer *g, const char *args, size_t len)
{
    if (g_str_has_prefix(args, "Cont")) {
        handle_vcont(g, args + strlen("Cont"));
    } else if (g_str_has_prefix(args, "Attach;")) {
        gdb_send_stop_reply(g);
    } else if (g_str_has_prefix(args, "Kill;")) {
        gdb_send_ok(g);
        kill_guest(g);
    } else {
        gdb_send(g, "");
    }
}

static void handle_kill(GdbServer *g, const char *args, size_t len)
{
    kill_guest(g);
}

static void handle_detach(GdbServer *g, const char *args, size_t len)
{
    g_autofree GdbAction *a = actions_new(g, GDB_ACTION_CONTINUE);

    gdb_points_clear(g);
    gdb_send_ok(g);
    if (gdb_may_run(g)) {
        gdb_resume(g, a);
    }
    g->awaiting = false;
}

/* Threads */

static void handle_select(GdbServer *g, const char *args, size_t len)
{
    char op = *args;
    unsigned index = 0;

    if (op != 'c' && op != 'g') {
        gdb_send_error(g, EINVAL);
        return;
    }
    args++;
    switch (gdb_parse_thread(g, &args, &index)) {
    case GDB_THREADS_BAD:
        gdb_send_error(g, EINVAL);
        return;
    case GDB_THREADS_ONE:
        *(op == 'c' ? &g->c_cpu : &g->g_cpu) = index;
        break;
    default:
        break; /* the one that was */
    }
    gdb_send_ok(g);
}

static void handle_alive(GdbServer *g, const char *args, size_t len)
{
    unsigned index = 0;

    if (gdb_parse_thread(g, &args, &index) == GDB_THREADS_BAD) {
        gdb_send_error(g, EINVAL);
    } else {
        gdb_send_ok(g);
    }
}

static void handle_why(GdbServer *g, const char *args, size_t len)
{
    gdb_send_stop_reply(g);
}

static void handle_extended(GdbServer *g, const char *args, size_t len)
{
    gdb_send_ok(g);
}

void gdb_handle_packet(GdbServer *g, const char *data, size_t len)
{
    static void (*const handlers[128])(GdbServer *, const char *, size_t) = {
        ['!'] = handle_extended,
        ['?'] = handle_why,
        ['C'] = handle_continue_signal,
        ['D'] = handle_detach,
        ['G'] = handle_set_all,
        ['H'] = handle_select,
        ['M'] = handle_write,
        ['P'] = handle_set_one,
        ['S'] = handle_step_signal,
        ['T'] = handle_alive,
        ['X'] = handle_write_binary,
        ['Z'] = handle_point_add,
        ['c'] = handle_continue,
        ['g'] = handle_get_all,
        ['k'] = handle_kill,
        ['m'] = handle_read,
        ['p'] = handle_get_one,
        ['s'] = handle_step,
        ['v'] = handle_v,
        ['z'] = handle_point_remove,
    };
    unsigned char c = *data;

    if (c == 'q' || c == 'Q') {
        gdb_handle_query(g, data);
    } else if (len > 0 && c < G_N_ELEMENTS(handlers) && handlers[c]) {
        handlers[c](g, data + 1, len - 1);
    } else {
        gdb_send(g, ""); /* not supported */
    }
}
