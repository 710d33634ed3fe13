/*
 * Human monitor: screens.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

void hmp_cmd_screendump(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm };
    const char *device = a->arg[2].text;
    ImageFormat format = IMAGE_FORMAT_PPM;
    GError *err = NULL;

    if (a->arg[1].text != NULL &&
        !image_format_parse(a->arg[1].text, &format)) {
        error_setf(&err, "invalid parameter value: %s", a->arg[1].text);
    } else {
        qmp_screendump(&ctx, a->arg[0].text, device, a->arg[3].given,
                       a->arg[3].num, true, format, &err);
    }
    if (err != NULL) {
        hmp_error(out, err);
    }
}
