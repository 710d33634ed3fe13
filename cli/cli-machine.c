/*
 * Options that say what the machine is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include <time.h>

#include "accel/accel.h"
#include "block/block.h"
#include "hw/core/device-add.h"
#include "migration/migration.h"
#include "qom/known-types.h"
#include "target/i386/cpu-model.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"

/* -machine */

static const MachineType *default_machine(void)
{
    for (unsigned i = 0; machine_table[i] != NULL; i++) {
        if (machine_table[i]->is_default) {
            return machine_table[i];
        }
    }
    return machine_table[0];
}

static void print_machines(void)
{
    printf("Supported machines are:\n");
    for (unsigned i = 0; machine_table[i] != NULL; i++) {
        const MachineType *t = machine_table[i];

        if (t->alias != NULL) {
            printf("%-20s %s (alias of %s)\n", t->alias, t->desc, t->name);
        }
        printf("%-20s %s%s\n", t->name, t->desc,
               t->is_default ? " (default)" : "");
    }
}

static bool machine_help(const char *name, GError **errp)
{
    const MachineType *t =
        name != NULL ? machine_type_find(name) : default_machine();
    g_autoptr(GString) out = g_string_new(NULL);
    const ObjectType *ot;

    if (t == NULL || name == NULL || g_str_equal(name, "help") ||
        g_str_equal(name, "?")) {
        print_machines();
        return true;
    }
    ot = machine_object_type(t);
    object_type_print_help(ot, ot->name, out);
    fputs(out->str, stdout);
    return true;
}

/* Older scripts write kernel_irqchip and mem_merge. */
static char *cli_dashes(const char *key)
{
    return g_strdelimit(g_strdup(key), "_", '-');
}

bool cli_machine(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "type", errp);

    if (kv == NULL) {
        return false;
    }
    if (keyval_wants_help(kv)) {
        cli->done = true;
        return machine_help(keyval_get(kv, "type"), errp);
    }
    for (unsigned i = 0; i < keyval_count(kv); i++) {
        g_autofree char *key = cli_dashes(keyval_key_at(kv, i));
        const char *value = keyval_value_at(kv, i);

        if (g_str_equal(key, "type")) {
            g_free(cli->machine_name);
            cli->machine_name = g_strdup(value);
        } else if (g_str_equal(key, "accel")) {
            g_free(cli->machine_accel);
            cli->machine_accel = g_strdup(value);
        } else {
            keyval_add(cli->machine_opts, key, value);
        }
    }
    return true;
}

/* -kernel FILE is -machine kernel=FILE, and so on. */
bool cli_machine_shorthand(Cli *cli, CliArg *a, GError **errp)
{
    static const struct {
        const char *option, *key, *value;
    } t[] = {
        { "kernel", "kernel", NULL }, { "initrd", "initrd", NULL },
        { "append", "append", NULL }, { "bios", "firmware", NULL },
        { "no-acpi", "acpi", "off" }, { "no-hpet", "hpet", "off" },
        { "usb", "usb", "on" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        if (g_str_equal(t[i].option, a->opt->name)) {
            keyval_add(cli->machine_opts, t[i].key,
                       t[i].value != NULL ? t[i].value : a->text);
            return true;
        }
    }
    return cli_refuse(cli, a, errp);
}

/* Returns the machine type that the command line asks for, NULL on failure. */
static const MachineType *wanted_machine_type(const char *name, GError **errp)
{
    const MachineType *type;
    g_autofree char *type_name = NULL;

    if (name == NULL) {
        return default_machine();
    }
    type = machine_type_find(name);
    if (type != NULL) {
        return type;
    }
    type_name = g_strconcat(name, "-machine", NULL);
    error_setf(errp,
               object_type_is_known(type_name)
                   ? "machine type '%s' is not in this version (-machine "
                     "help lists those there are)"
                   : "unsupported machine type '%s' (-machine help lists "
                     "those there are)",
               name);
    return NULL;
}

bool cli_make_machine(Cli *cli, GError **errp)
{
    const MachineType *type = wanted_machine_type(cli->machine_name, errp);
    Machine *m;

    if (type == NULL) {
        return false;
    }
    if (type->ide_units != 0) {
        block_set_ide_units(cli->vm->blocks, type->ide_units);
    }
    m = machine_new(cli->vm, type);
    m->nodefaults = cli->nodefaults;
    m->only_migratable = cli->only_migratable;
    g_ptr_array_extend_and_steal(m->data_dirs,
                                 g_steal_pointer(&cli->data_dirs));
    for (unsigned i = 0; i < keyval_count(cli->machine_opts); i++) {
        if (!object_prop_set_str(&m->obj, keyval_key_at(cli->machine_opts, i),
                                 keyval_value_at(cli->machine_opts, i), errp)) {
            return false;
        }
    }
    if (cli->nographic) {
        m->graphics = false;
    }
    return true;
}

/* What a CPU is set to by a global is what -cpu would say. */
static void global_add_cpu(Cli *cli, const char *driver, const char *prop,
                           const char *value)
{
    g_ptr_array_add(cli->cpu_globals,
                    g_strdup_printf("%s.%s=%s", driver, prop, value));
}

static bool is_cpu_class(const char *driver)
{
    return g_str_has_suffix(driver, "x86_64-cpu") &&
           object_type_is_known(driver);
}

static void apply_cpu_globals(Cli *cli)
{
    Machine *m = cli->vm->machine;
    const char *text =
        m->cpu_model != NULL ? m->cpu_model : m->type->default_cpu;
    g_autofree char *model = text ? g_strndup(text, strcspn(text, ",")) : NULL;
    g_autoptr(GString) all = g_string_new(model);
    bool hit = false;

    for (unsigned i = 0; i < cli->cpu_globals->len; i++) {
        const char *g = cli->cpu_globals->pdata[i];
        const char *dot = strchr(g, '.');
        g_autofree char *driver = g_strndup(g, dot - g);
        g_autofree char *own = g_strdup_printf("%s-x86_64-cpu", model);

        if (model != NULL &&
            (g_str_equal(driver, own) || g_str_equal(driver, "x86_64-cpu"))) {
            g_string_append_printf(all, ",%s", dot + 1);
            hit = true;
        } else {
            log_warn("global %s not used", g);
        }
    }
    if (hit) {
        /* What -cpu itself says comes later and wins. */
        g_string_append(all, text + strlen(model));
        g_free(m->cpu_model);
        m->cpu_model = g_strdup(all->str);
    }
}

bool cli_check_machine(Cli *cli, GError **errp)
{
    const Machine *m = cli->vm->machine;

    apply_cpu_globals(cli);
    if (m->kernel == NULL && m->append != NULL) {
        error_setf(errp, "-append only allowed with -kernel option");
        return false;
    }
    if (m->kernel == NULL && m->initrd != NULL) {
        error_setf(errp, "-initrd only allowed with -kernel option");
        return false;
    }
    return true;
}

/* Options of which only some boards know anything. */
bool cli_board_option(Cli *cli, CliArg *a, GError **errp)
{
    Machine *m = cli->vm->machine;
    bool known = true;

    if (m->type->option != NULL &&
        !m->type->option(m, a->opt->name, a->text, &known, errp)) {
        return false;
    }
    if (m->type->option == NULL || !known) {
        error_setf(errp, "machine '%s' does not support this option",
                   m->type->name);
        return false;
    }
    return true;
}

bool cli_data_dir(Cli *cli, CliArg *a, GError **errp)
{
    if (g_str_equal(a->text, "help") || g_str_equal(a->text, "?")) {
        g_auto(GStrv) dirs = g_strsplit(CONFIG_FIRMWARE_PATH, ":", -1);

        for (unsigned i = 0; i < cli->data_dirs->len; i++) {
            printf("%s\n", (char *)cli->data_dirs->pdata[i]);
        }
        for (unsigned i = 0; dirs[i] != NULL; i++) {
            printf("%s\n", dirs[i]);
        }
        cli->done = true;
        return true;
    }
    g_ptr_array_add(cli->data_dirs, g_strdup(a->text));
    return true;
}

/* Accelerators */

static void print_accels(void)
{
    printf("Accelerators supported in QEMU binary:\n");
    for (unsigned i = 0; accel_table[i] != NULL; i++) {
        printf("%s\n", accel_table[i]->name);
    }
}

bool cli_accel(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "accel", errp);
    const char *name, *rest;

    if (kv == NULL) {
        return false;
    }
    name = keyval_get(kv, "accel");
    if (name == NULL || g_str_equal(name, "help") || g_str_equal(name, "?")) {
        print_accels();
        cli->done = true;
        return true;
    }
    if (keyval_key_at(kv, 0) == NULL ||
        !g_str_equal(keyval_key_at(kv, 0), "accel")) {
        error_setf(errp, "the accelerator's name comes first");
        return false;
    }
    rest = strchr(a->text, ',');
    g_ptr_array_add(cli->accel_names, g_strdup(name));
    g_ptr_array_add(cli->accel_opts, g_strdup(rest != NULL ? rest + 1 : ""));
    return true;
}

bool cli_enable_kvm(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->machine_accel);
    cli->machine_accel = g_strdup("kvm");
    return true;
}

/* The first accelerator of the list that starts; NULL: none did. */
static Accel *start_accel(Cli *cli, GError **errp)
{
    const char *list = cli->machine_accel != NULL       ? cli->machine_accel
                       : accel_type_find("kvm") != NULL ? "kvm:tcg"
                                                        : "tcg";
    g_auto(GStrv) names = NULL;

    if (cli->accel_names->len > 0) {
        if (cli->machine_accel != NULL) {
            error_setf(errp, "The -accel and \"-machine accel=\" options are "
                             "incompatible");
            return NULL;
        }
        g_ptr_array_add(cli->accel_names, NULL);
        g_ptr_array_add(cli->accel_opts, NULL);
        return accel_start(cli->vm,
                           (const char *const *)cli->accel_names->pdata,
                           (const char *const *)cli->accel_opts->pdata, errp);
    }
    names = g_strsplit(list, ":", -1);
    if (names[0] != NULL && *names[0] == '\0') {
        error_setf(errp, "no accelerator found");
        return NULL;
    }
    return accel_start(cli->vm, (const char *const *)names, NULL, errp);
}

bool cli_start_accel(Cli *cli, GError **errp)
{
    Accel *acc = start_accel(cli, errp);

    if (acc == NULL) {
        return false;
    }
    if (!cli->cpu_pm) {
        return true;
    }
    if (acc->type->enable_cpu_pm == NULL) {
        /* A list of accelerators must not fail because of the last one. */
        log_warn("-overcommit cpu-pm=on has no effect with %s",
                 acc->type->name);
        return true;
    }
    return acc->type->enable_cpu_pm(acc, errp);
}

/* CPUs */

bool cli_cpu(Cli *cli, CliArg *a, GError **errp)
{
    Machine *m = cli->vm->machine;

    if (g_str_equal(a->text, "help") || g_str_equal(a->text, "?")) {
        g_autoptr(GString) out = g_string_new(NULL);

        x86_cpu_models_print(out);
        fputs(out->str, stdout);
        cli->done = true;
        return true;
    }
    if (m->type->default_cpu == NULL) {
        error_setf(errp, "machine '%s' has no CPU", m->type->name);
        return false;
    }
    g_free(m->cpu_model);
    m->cpu_model = g_strdup(a->text);
    return true;
}

/* What is not given follows from the rest; cores before sockets (7.2). */
static void smp_fill(CpuTopology *t)
{
    unsigned n;

    t->dies = t->dies > 0 ? t->dies : 1;
    if (t->cpus == 0 && t->max_cpus == 0) {
        t->sockets = t->sockets > 0 ? t->sockets : 1;
        t->cores = t->cores > 0 ? t->cores : 1;
        t->threads = t->threads > 0 ? t->threads : 1;
    } else {
        n = t->max_cpus > 0 ? t->max_cpus : t->cpus;
        if (t->cores == 0) {
            t->sockets = t->sockets > 0 ? t->sockets : 1;
            t->threads = t->threads > 0 ? t->threads : 1;
            t->cores = n / (t->sockets * t->dies * t->threads);
        } else if (t->sockets == 0) {
            t->threads = t->threads > 0 ? t->threads : 1;
            t->sockets = n / (t->dies * t->cores * t->threads);
        } else if (t->threads == 0) {
            t->threads = n / (t->sockets * t->dies * t->cores);
        }
        t->max_cpus = n;
    }
    if (t->max_cpus == 0) {
        t->max_cpus = t->sockets * t->dies * t->cores * t->threads;
    }
    t->cpus = t->cpus > 0 ? t->cpus : t->max_cpus;
}

static bool smp_check(const MachineType *type, const CpuTopology *t,
                      GError **errp)
{
    unsigned max = MAX(type->max_cpus, 1);

    if (t->sockets * t->dies * t->cores * t->threads != t->max_cpus) {
        error_setf(errp,
                   "Invalid CPU topology: product of the hierarchy must match "
                   "maxcpus: sockets (%u) * dies (%u) * cores (%u) * threads "
                   "(%u) != maxcpus (%u)",
                   t->sockets, t->dies, t->cores, t->threads, t->max_cpus);
        return false;
    }
    if (t->max_cpus < t->cpus) {
        error_setf(errp,
                   "Invalid CPU topology: maxcpus must be equal to or greater "
                   "than smp: sockets (%u) * dies (%u) * cores (%u) * threads "
                   "(%u) == maxcpus (%u) < smp_cpus (%u)",
                   t->sockets, t->dies, t->cores, t->threads, t->max_cpus,
                   t->cpus);
        return false;
    }
    if (t->max_cpus > max) {
        error_setf(errp,
                   "Invalid SMP CPUs %u. The max CPUs supported by machine "
                   "'%s' is %u",
                   t->max_cpus, type->name, max);
        return false;
    }
    return true;
}

bool cli_smp(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "cpus", errp);
    CpuTopology t = { 0 };
    const struct {
        const char *key;
        unsigned *to;
    } parts[] = {
        { "cpus", &t.cpus },       { "maxcpus", &t.max_cpus },
        { "sockets", &t.sockets }, { "dies", &t.dies },
        { "cores", &t.cores },     { "threads", &t.threads },
    };

    if (kv == NULL) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        uint64_t v = 0;

        if (!keyval_get_uint(kv, parts[i].key, 0, 65535, &v, errp)) {
            error_prefix(errp, "-smp %s: ", a->text);
            return false;
        }
        *parts[i].to = v;
        if (v == 0 && keyval_has(kv, parts[i].key)) {
            log_warn("Deprecated CPU topology (considered invalid): CPU "
                     "topology parameters must be greater than zero");
        }
    }
    if (!cli_check_keys(kv, errp)) {
        error_prefix(errp, "-smp %s: ", a->text);
        return false;
    }
    smp_fill(&t);
    if (!smp_check(cli->vm->machine->type, &t, errp)) {
        return false;
    }
    cli->vm->machine->smp = t;
    return true;
}

/* Memory */

bool cli_memory(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "size", errp);
    Machine *m = cli->vm->machine;
    uint64_t size = 0, max = 0, slots = 0;

    if (kv == NULL || !keyval_get_size(kv, "size", MiB, &size, errp) ||
        !keyval_get_size(kv, "maxmem", 1, &max, errp) ||
        !keyval_get_uint(kv, "slots", 0, 256, &slots, errp) ||
        !cli_check_keys(kv, errp)) {
        return false;
    }
    /* None given is the default, as is zero. */
    if (size > 0) {
        m->ram_size = ROUND_UP(size, 2 * RAM_PAGE_SIZE);
        m->ram_size_given = true;
    }
    if (slots > 0 && max == 0) {
        error_setf(errp, "slots specified but no max-size");
        return false;
    }
    if (max > 0 && max < m->ram_size) {
        error_setf(errp,
                   "invalid value of maxmem: maximum memory size (0x%" PRIx64
                   ") must be at least the initial memory size (0x%" PRIx64 ")",
                   max, m->ram_size);
        return false;
    }
    if (max > m->ram_size || slots > 0) {
        error_setf(errp, "memory hotplug (maxmem, slots) is not supported "
                         "yet");
        return false;
    }
    return true;
}

bool cli_mem_path(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->mem_path);
    cli->mem_path = g_strdup(a->text);
    return true;
}

/* Boot order */

static bool boot_check_order(const char *order, GError **errp)
{
    for (const char *p = order; *p != '\0'; p++) {
        if (*p < 'a' || *p > 'p') {
            error_setf(errp, "Invalid boot device '%c'", *p);
            return false;
        }
        if (strchr(order, *p) != p) {
            error_setf(errp, "Boot device '%c' was given twice", *p);
            return false;
        }
    }
    return true;
}

static bool boot_get_order(KeyVal *kv, const char *key, char **order,
                           GError **errp)
{
    const char *v = keyval_get(kv, key);

    if (v == NULL) {
        return true;
    }
    if (!boot_check_order(v, errp)) {
        return false;
    }
    g_free(*order);
    *order = g_strdup(v);
    return true;
}

bool cli_boot(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "order", errp);
    Machine *m = cli->vm->machine;
    int64_t splash = m->boot_splash_ms, reboot = m->reboot_timeout_ms;

    if (kv == NULL || !boot_get_order(kv, "order", &m->boot_order, errp) ||
        !boot_get_order(kv, "once", &m->boot_once, errp) ||
        !keyval_get_bool(kv, "menu", &m->boot_menu, errp) ||
        !keyval_get_bool(kv, "strict", &m->boot_strict, errp) ||
        !keyval_get_int(kv, "splash-time", -1, 65535, &splash, errp) ||
        !keyval_get_int(kv, "reboot-timeout", -1, 65535, &reboot, errp)) {
        return false;
    }
    m->boot_splash_ms = splash;
    m->reboot_timeout_ms = reboot;
    if (keyval_has(kv, "splash")) {
        g_free(m->boot_splash);
        m->boot_splash = g_strdup(keyval_get(kv, "splash"));
    }
    return cli_check_keys(kv, errp);
}

/* -rtc */

static bool rtc_parse_date(const char *text, int64_t *ret_s)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (end == NULL) {
        tm = (struct tm){ 0 };
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (end == NULL || *end != '\0') {
        return false;
    }
    *ret_s = timegm(&tm);
    return true;
}

static bool rtc_parse_base(MachineRtc *rtc, const char *base, GError **errp)
{
    if (base == NULL || g_str_equal(base, "utc")) {
        rtc->base = RTC_UTC;
    } else if (g_str_equal(base, "localtime")) {
        rtc->base = RTC_LOCALTIME;
    } else if (rtc_parse_date(base, &rtc->date_s)) {
        rtc->base = RTC_DATE;
    } else {
        error_setf(errp, "invalid datetime format\n"
                         "valid formats: '2006-06-17T16:01:21' or "
                         "'2006-06-17'");
        return false;
    }
    return true;
}

bool cli_rtc(Cli *cli, CliArg *a, GError **errp)
{
    static const char *const clocks[] = { "rt", "vm", "host", NULL };
    static const char *const drifts[] = { "none", "slew", NULL };
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, NULL, errp);
    MachineRtc *rtc = &cli->vm->machine->rtc;
    int clock = CLOCK_TYPE_HOST, drift = 0;

    G_STATIC_ASSERT(CLOCK_TYPE_REALTIME == 0 && CLOCK_TYPE_VIRTUAL == 1 &&
                    CLOCK_TYPE_HOST == 2);
    if (kv == NULL || !rtc_parse_base(rtc, keyval_get(kv, "base"), errp) ||
        !keyval_get_enum(kv, "clock", clocks, &clock, errp) ||
        !keyval_get_enum(kv, "driftfix", drifts, &drift, errp)) {
        return false;
    }
    rtc->clock = clock;
    rtc->slew = drift == 1;
    return cli_check_keys(kv, errp);
}

/* -global, -action, -watchdog-action */

static bool global_apply(Cli *cli, const char *driver, const char *prop,
                         const char *value, GError **errp)
{
    if (g_str_equal(driver, "migration")) {
        return migration_set_global(cli->vm->migration, prop, value, errp);
    }
    if (is_cpu_class(driver)) {
        global_add_cpu(cli, driver, prop, value);
        return true;
    }
    machine_add_global(cli->vm->machine, driver, prop, value);
    return true;
}

bool cli_global(Cli *cli, CliArg *a, GError **errp)
{
    const char *dot = strchr(a->text, '.');
    const char *eq = strchr(a->text, '=');
    g_autoptr(KeyVal) kv = NULL;
    const char *driver, *prop, *value;

    /* The short form takes its value as it is, commas included. */
    if (dot != NULL && eq != NULL && dot < eq &&
        memchr(a->text, ',', eq - a->text) == NULL) {
        g_autofree char *d = g_strndup(a->text, dot - a->text);
        g_autofree char *p = g_strndup(dot + 1, eq - dot - 1);

        return global_apply(cli, d, p, eq + 1, errp);
    }
    kv = cli_arg_keyval(a, NULL, errp);
    if (kv == NULL) {
        return false;
    }
    driver = keyval_get(kv, "driver");
    prop = keyval_get(kv, "property");
    value = keyval_get(kv, "value");
    if (!cli_check_keys(kv, errp)) {
        return false;
    }
    if (driver == NULL || prop == NULL || value == NULL) {
        error_setf(errp, "driver, property and value are needed");
        return false;
    }
    return global_apply(cli, driver, prop, value, errp);
}

static bool parse_watchdog(Vm *vm, const char *text, GError **errp)
{
    if (!watchdog_action_parse(text, &vm->watchdog_action)) {
        error_setf(errp, "Parameter 'watchdog' does not accept value '%s'",
                   text);
        return false;
    }
    return true;
}

static bool parse_panic(Vm *vm, const char *text, GError **errp)
{
    if (!panic_action_parse(text, &vm->panic_action)) {
        error_setf(errp, "Parameter 'panic' does not accept value '%s'", text);
        return false;
    }
    return true;
}

bool cli_action(Cli *cli, CliArg *a, GError **errp)
{
    static const char *const reboots[] = { "reset", "shutdown", NULL };
    static const char *const shutdowns[] = { "poweroff", "pause", NULL };
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, NULL, errp);
    Vm *vm = cli->vm;
    int reboot = vm->no_reboot, shutdown = vm->no_shutdown;
    const char *panic, *watchdog;

    if (kv == NULL || !keyval_get_enum(kv, "reboot", reboots, &reboot, errp) ||
        !keyval_get_enum(kv, "shutdown", shutdowns, &shutdown, errp)) {
        return false;
    }
    panic = keyval_get(kv, "panic");
    watchdog = keyval_get(kv, "watchdog");
    if ((panic != NULL && !parse_panic(vm, panic, errp)) ||
        (watchdog != NULL && !parse_watchdog(vm, watchdog, errp))) {
        return false;
    }
    vm->no_reboot = reboot;
    vm->no_shutdown = shutdown;
    return cli_check_keys(kv, errp);
}

bool cli_watchdog_action(Cli *cli, CliArg *a, GError **errp)
{
    return parse_watchdog(cli->vm, a->text, errp);
}
