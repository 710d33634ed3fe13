/*
 * What two machines tell each other of themselves, and hostile words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/facts.h"
#include "util/error.h"

#define HERE                                         \
    "accel kvm\nflag sse\nflag avx\ndevice hpet/0\n" \
    "device pckbd/0\ndisk 1048576 /machine/disk\n"

typedef struct Case {
    const char *name, *there;
    const char *error;   /* part of it; NULL: it may come */
    const char *warning; /* part of what differs; NULL: nothing */
} Case;

static const Case cases[] = {
    { "same", HERE, NULL, NULL },
    { "order", "device pckbd/0\ndevice hpet/0\nflag avx\nflag sse\naccel kvm",
      NULL, NULL },
    { "flag-there", HERE "flag avx512f\nflag amx-tile\n",
      "source's has (another -cpu, or host): amx-tile, avx512f", NULL },
    { "flag-here", "accel kvm\nflag sse\ndevice hpet/0\ndevice pckbd/0\n", NULL,
      NULL },
    { "device-there", HERE "device 0000:00:04.0/virtio-blk/0\n",
      "only the source has: 0000:00:04.0/virtio-blk/0", NULL },
    { "device-here", "accel kvm\nflag sse\ndevice pckbd/0\n", NULL,
      "only this machine has, as after a reset: hpet/0" },
    { "instance", "accel kvm\ndevice hpet/1\ndevice pckbd/0\n",
      "only the source has: hpet/1", "hpet/0" },
    { "disk", "accel tcg\ndisk 512 /machine/disk\n", NULL,
      "disk '/machine/disk' has 1048576 bytes here, 512 at the source" },
    { "disk-there", "accel tcg\ndisk 512 /machine/other\n", NULL, NULL },
    { "accel", "accel tcg\nflag la57\ndevice tcg-only/0\n", NULL, NULL },
    { "no-accel", "flag sse\ndevice hpet/0\ndevice pckbd/0\n", NULL, NULL },
    { "empty", "", NULL, NULL },
    { "nothing", "accel kvm", NULL, "hpet/0, pckbd/0" },
    { "short", "accel kvm\ndisk\ndisk \ndisk 512\nflag\ndevice", NULL,
      "hpet/0" },
    { "ignored", HERE "ignored m0\n", "RAM is shared only at the source: m0",
      NULL },
    { "control", HERE "flag \033[2Jx\n", "\\033[2Jx", NULL },
};

static void test_case(gconstpointer opaque)
{
    const Case *c = opaque;
    g_autoptr(GError) err = NULL;
    g_autofree char *differs = NULL;

    g_assert_cmpint(mig_facts_check(c->there, HERE, &differs, &err), ==,
                    c->error == NULL);
    if (c->error != NULL) {
        g_assert_nonnull(strstr(err->message, c->error));
    }
    g_assert_cmpint(differs != NULL, ==, c->warning != NULL);
    if (c->warning != NULL) {
        g_assert_nonnull(strstr(differs, c->warning));
    }
}

/* Many words, and long ones, make a short message. */
static void test_flood(void)
{
    g_autoptr(GString) text = g_string_new(HERE);
    g_autoptr(GError) err = NULL;
    g_autofree char *differs = NULL;

    for (unsigned i = 0; i < 1000; i++) {
        g_autofree char *x = g_strnfill(1000, 'a' + i % 26);

        g_string_append_printf(text, "flag %u%s\n", i, x);
    }
    g_assert_false(mig_facts_check(text->str, HERE, &differs, &err));
    g_assert_nonnull(strstr(err->message, "and 984 more"));
    g_assert_cmpuint(strlen(err->message), <, 2000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/mig-facts/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/mig-facts/flood", test_flood);
    return g_test_run();
}
