/*
 * State of the devices that share memory: what a program of version 7.2 sends
 * is loaded and saved again without a difference; what is cut off or made up
 * is refused or does no harm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "chardev/chardev.h"
#include "hw/core/machine-none.h"
#include "hw/misc/ivshmem.h"
#include "hw/pci/pci.h"
#include "system/hostmem.h"
#include "system/vm.h"
#include "tests/unit/pci-host.h"
#include "tests/unit/section-bytes.h"
#include "util/bswap.h"
#include "vmstate/stream.h"

/* Two vectors, of which the second is masked and waits; see section-bytes.h. */
static const char plain_hex[] =
    "00000002f41a1011060000000100000500*7 e000*4 0c0000e100*16 "
    "f41a001100*226 222200001111 ";

static const char doorbell_hex[] =
    "00000002f41a1011060010000100000500*7 e0001000e00c0000e100*16 "
    "f41a001100*4 4000*11 1100018001000000010800*200 2000*6 0100*6 "
    "04002000*5 0101000001000000020000222200001111 ";

static const VmHooks no_hooks = { 0 };

typedef struct Fixture {
    const DeviceType *type;
    const char *hex;
} Fixture;

static const Fixture fixtures[] = {
    { &ivshmem_plain_type, plain_hex },
    { &ivshmem_doorbell_type, doorbell_hex },
};

typedef struct Board {
    Vm *vm;
    Device *dev;
    int server; /* -1: none */
} Board;

static void put(int sock, int64_t val, int fd)
{
    uint8_t buf[8], control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec v = { .iov_base = buf, .iov_len = sizeof(buf) };
    struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

    stq_le_p(buf, val);
    if (fd >= 0) {
        struct cmsghdr *c;

        h.msg_control = control;
        h.msg_controllen = sizeof(control);
        c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    g_assert_cmpint(sendmsg(sock, &h, 0), ==, 8);
}

/* All that a server says first is there before the device is. */
static void add_server(Board *b)
{
    int memory = memfd_create("shared", MFD_CLOEXEC), sv[2];
    g_autoptr(KeyVal) kv = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    g_assert_cmpint(ftruncate(memory, 4096), ==, 0);
    put(sv[0], 0, -1);
    put(sv[0], 0, -1);
    put(sv[0], -1, memory);
    close(memory);
    b->server = sv[0];
    text = g_strdup_printf("socket,id=c,fd=%d", sv[1]);
    kv = keyval_parse(text, "backend", NULL);
    b->vm->chardevs = chardevs_new();
    g_assert_nonnull(chardev_new_from_keyval(b->vm->chardevs, kv, &err));
}

static void add_memory(Board *b)
{
    Object *obj = object_new(object_type_find("memory-backend-ram"));
    g_autoptr(GError) err = NULL;

    object_add_child(object_child(b->vm->root, "objects"), "m", obj);
    g_assert_true(object_prop_set_str(obj, "size", "4096", &err));
    g_assert_true(object_complete(obj, &err));
    object_unref(obj);
}

static void set(Board *b, const char *name, const char *val)
{
    g_autoptr(GError) err = NULL;

    device_prop_set(b->dev, name, val, &err);
    g_assert_no_error(err);
}

ACQUIRE(&vm_lock) static Board *board_new(const Fixture *f, bool master)
{
    Board *b = g_new0(Board, 1);
    g_autoptr(GError) err = NULL;
    PciBus *pci;

    vm_lock_acquire();
    b->server = -1;
    b->vm = vm_new(&no_hooks);
    b->vm->vmstates = vmstate_registry_new();
    machine_new(b->vm, &machine_none_type);
    pci = test_pci_host_new(b->vm);
    b->dev = device_new(b->vm, f->type);
    set(b, "addr", "2");
    set(b, "master", master ? "on" : "off");
    if (f->type == &ivshmem_plain_type) {
        add_memory(b);
        set(b, "memdev", "m");
    } else {
        add_server(b);
        set(b, "chardev", "c");
        set(b, "vectors", "2");
    }
    device_realize(b->dev, &pci->bus, &err);
    g_assert_no_error(err);
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    vmstate_registry_free(vm->vmstates);
    vm->vmstates = NULL;
    if (vm->chardevs != NULL) {
        chardevs_free(vm->chardevs);
        vm->chardevs = NULL;
        close(b->server);
    }
    vm_free(vm);
    g_free(b);
    vm_lock_release();
}

static bool load(Board *b, const GByteArray *bytes, size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes->data, len);
    const Vmstate *vms = b->dev->type->vmstate;

    device_reset_tree(b->dev);
    return vmstate_load(in, vms, b->dev, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Board *b, const GByteArray *want)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    vmstate_save(out, b->dev->type->vmstate, b->dev, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    g_assert_cmpmem(got, len, want->data, want->len);
}

static void test_round_trip(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f, true);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);
    g_autoptr(GError) err = NULL;

    g_assert_null(vmstate_blocked_reason(b->vm->vmstates));
    load(b, bytes, bytes->len, &err);
    g_assert_no_error(err);
    expect_saved(b, bytes);
    board_free(b);
}

static void test_truncated(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f, true);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);

    for (size_t len = 0; len < bytes->len; len++) {
        g_assert_false(load(b, bytes, len, NULL));
    }
    board_free(b);
}

/* One byte is another one: refused, or saved again as some legal state. */
static void test_changed(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f, true);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);

    for (size_t at = 0; at < bytes->len; at++) {
        uint8_t old = bytes->data[at];

        for (unsigned i = 1; i < 256; i <<= 1) {
            g_autoptr(StreamOut) out = stream_out_new(NULL);
            g_autoptr(GError) err = NULL;

            bytes->data[at] = old ^ i;
            if (load(b, bytes, bytes->len, &err)) {
                vmstate_save(out, b->dev->type->vmstate, b->dev, &err);
                g_assert_no_error(err);
            }
        }
        bytes->data[at] = old;
    }
    load(b, bytes, bytes->len, NULL);
    expect_saved(b, bytes);
    board_free(b);
}

/* Whose memory stays where it is neither sends nor takes state. */
static void test_peer(const void *opaque)
{
    const Fixture *f = opaque;
    Board *b = board_new(f, false);
    g_autoptr(GByteArray) bytes = section_bytes(f->hex);
    g_autofree char *why = vmstate_blocked_reason(b->vm->vmstates);
    g_autoptr(GError) err = NULL;

    g_assert_cmpstr(why, ==,
                    "Migration is disabled when using feature 'peer mode' in "
                    "device 'ivshmem'");
    g_assert_false(load(b, bytes, bytes->len, &err));
    g_assert_nonnull(strstr(err->message, "'peer mode' is not migratable"));
    device_delete(b->dev);
    g_assert_null(vmstate_blocked_reason(b->vm->vmstates));
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    object_types_add(hostmem_object_types());
    for (size_t i = 0; i < G_N_ELEMENTS(fixtures); i++) {
        const Fixture *f = &fixtures[i];
        const struct {
            const char *name;
            void (*fn)(const void *opaque);
        } tests[] = { { "round-trip", test_round_trip },
                      { "truncated", test_truncated },
                      { "changed", test_changed },
                      { "peer", test_peer } };

        for (size_t k = 0; k < G_N_ELEMENTS(tests); k++) {
            g_autofree char *path =
                g_strdup_printf("/ivshmem-vmstate/%s/%s", f->type->name,
                                tests[k].name);

            g_test_add_data_func(path, f, tests[k].fn);
        }
    }
    return g_test_run();
}
