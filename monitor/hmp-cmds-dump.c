/*
 * Human monitor: dumps of guest memory, descriptors to write them to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "monitor/qmp-fds.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

static bool has_flag(const HmpArgs *a, char letter)
{
    return a->flags & 1u << (letter - 'a');
}

/* The format that a flag asks for, if it isn't there; else NULL. */
static const char *missing_format(const HmpArgs *a)
{
    static const struct {
        char flag;
        const char *name;
    } formats[] = {
        { 'z', "kdump-zlib" },
        { 'l', "kdump-lzo" },
        { 's', "kdump-snappy" },
        { 'w', "win-dmp" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (has_flag(a, formats[i].flag)) {
            return formats[i].name;
        }
    }
    return NULL;
}

void hmp_cmd_dump_guest_memory(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm, .monitors = out->vm->monitors };
    g_autofree char *protocol = g_strconcat("file:", a->arg[0].text, NULL);
    const char *missing = missing_format(a);
    GError *err = NULL;

    if (missing != NULL) {
        hmp_printf(out,
                   "Error: format '%s' is not in this version: only 'elf' is\n",
                   missing);
        return;
    }
    if (!qmp_dump_guest_memory(&ctx, has_flag(a, 'p'), protocol, true,
                               has_flag(a, 'd'), a->arg[1].given, a->arg[1].num,
                               a->arg[2].given, a->arg[2].num, false,
                               DUMP_GUEST_MEMORY_FORMAT_ELF, &err)) {
        hmp_error(out, err);
    }
}

void hmp_info_dump(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm, .monitors = out->vm->monitors };
    g_autoptr(DumpQueryResult) r = NULL;
    GError *err = NULL;

    if (!qmp_query_dump(&ctx, &r, &err)) {
        hmp_error(out, err);
        return;
    }
    hmp_printf(out, "Status: %s\n", dump_status_str(r->status));
    if (r->status == DUMP_STATUS_ACTIVE) {
        hmp_printf(out, "Finished: %.2f %%\n",
                   100.0 * (double)r->completed / (double)MAX(r->total, 1));
    }
}

void hmp_cmd_getfd(HmpOut *out, const HmpArgs *a)
{
    int fd = hmp_session_take_fd(out->session);
    GError *err = NULL;

    if (fd < 0) {
        error_setf(&err, "No file descriptor supplied via SCM_RIGHTS");
        hmp_error(out, err);
    } else if (!qmp_fds_name(monitors_fds(out->vm->monitors), a->arg[0].text,
                             fd, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_closefd(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!qmp_fds_close(monitors_fds(out->vm->monitors), a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}
