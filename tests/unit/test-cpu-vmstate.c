/*
 * Unit test: the CPU's sections in the stream against those of a 7.2 program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu.h"
#include "tests/unit/cpu-stream.h"
#include "util/bswap.h"
#include "util/error.h"
#include "vmstate/vmstate.h"

typedef struct Fixture {
    X86CpuModel *model;
    X86Cpu *cpu;
    VmstateRegistry *registry;
    const Vmstate *cpu_vms, *common_vms;
} Fixture;

static GByteArray *expand(const FixturePart *parts, size_t n)
{
    GByteArray *a = g_byte_array_new();

    for (size_t i = 0; i < n; i++) {
        const uint8_t zero = 0;

        for (unsigned z = 0; z < parts[i].zeros; z++) {
            g_byte_array_append(a, &zero, 1);
        }
        for (const char *h = parts[i].hex; *h; h += 2) {
            uint8_t b =
                g_ascii_xdigit_value(h[0]) << 4 | g_ascii_xdigit_value(h[1]);

            g_byte_array_append(a, &b, 1);
        }
    }
    return a;
}

static void setup(Fixture *f, gconstpointer data)
{
    static const X86Topology topo = { 1, 1, 1 };
    g_autoptr(GError) err = NULL;

    f->model = x86_cpu_model_parse("qemu64", &err);
    g_assert_true(x86_cpu_model_realize(f->model, NULL, &err));
    f->cpu = x86_cpu_new(f->model, &topo, 0, 0);
    f->registry = vmstate_registry_new();
    x86_cpu_register_vmstate(f->cpu, f->registry);
    f->cpu_vms = vmstate_find(f->registry, "cpu", 0)->vms;
    f->common_vms = vmstate_find(f->registry, "cpu_common", 0)->vms;
}

static void teardown(Fixture *f, gconstpointer data)
{
    x86_cpu_unregister_vmstate(f->cpu, f->registry);
    g_assert_null(vmstate_find(f->registry, "cpu", 0));
    vmstate_registry_free(f->registry);
    x86_cpu_free(f->cpu);
    x86_cpu_model_free(f->model);
}

static bool load(Fixture *f, const Vmstate *vms, const uint8_t *buf, size_t len,
                 GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);

    return vmstate_load(in, vms, f->cpu, vms->version, errp) &&
           stream_in_check(in, errp);
}

static void assert_saves(Fixture *f, const GByteArray *want)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    vmstate_save(out, f->cpu_vms, f->cpu, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    for (size_t i = 0; i < MIN(len, want->len); i++) {
        if (got[i] != want->data[i]) {
            g_test_message("byte %zu: 0x%02x, not 0x%02x", i, got[i],
                           want->data[i]);
            g_test_fail();
            break;
        }
    }
    g_assert_cmpint(len, ==, want->len);
}

/* Loaded and saved, not a byte is different. */
static void test_reset_state(Fixture *f, gconstpointer data)
{
    g_autoptr(GByteArray) a = expand(kvm_reset, G_N_ELEMENTS(kvm_reset));
    g_autoptr(GError) err = NULL;

    load(f, f->cpu_vms, a->data, a->len, &err);
    g_assert_no_error(err);
    g_assert_cmphex(f->cpu->regs[X86_RDX], ==, 0x60fb1);
    g_assert_cmphex(f->cpu->segs[X86_CS].base, ==, 0xffff0000);
    g_assert_cmphex(f->cpu->pat, ==, 0x0007040600070406);
    g_assert_cmpint(f->cpu->tsc_khz, ==, 0x279d18);
    g_assert_cmpint(f->cpu->poll_control_msr, ==, 1);
    assert_saves(f, a);
}

/* Also: our reset is theirs, but for what KVM or time has put there. */
static void test_own_reset(Fixture *f, gconstpointer data)
{
    g_autoptr(GByteArray) a = expand(kvm_reset, G_N_ELEMENTS(kvm_reset));

    g_assert_cmpint(f->cpu->poll_control_msr, ==, 0);
    f->cpu->poll_control_msr = 1;
    f->cpu->dr[4] = f->cpu->dr[6];
    f->cpu->dr[5] = f->cpu->dr[7];
    f->cpu->tsc = 1;
    f->cpu->tsc_khz = 0x279d18;
    for (unsigned i = 0; i < X86_NVAR_MTRR; i++) {
        f->cpu->mtrr_var[i].mask = 0x000fff0000000000;
    }
    assert_saves(f, a);
}

static void test_subsections(Fixture *f, gconstpointer data)
{
    g_autoptr(GByteArray) a =
        expand(tcg_subsections, G_N_ELEMENTS(tcg_subsections));
    g_autoptr(GError) err = NULL;

    load(f, f->cpu_vms, a->data, a->len, &err);
    g_assert_no_error(err);
    g_assert_true(f->cpu->pdptrs_valid);
    g_assert_cmpint(f->cpu->triple_fault_pending, ==, 1);
    g_assert_cmpint(f->cpu->vec[31].q[7], !=, 0);
    g_assert_cmpint(f->cpu->opmask[7], !=, 0);
    g_assert_cmpint(f->cpu->rtit_addrs[7], !=, 0);
    assert_saves(f, a);
}

/*
 * Cut short within the fields: an error.  Within a subsection's header or
 * between two, the section's footer is what tells; there is none here.
 */
/*
 * A CPU that runs on is saved, too: to see what that takes.  What it has set
 * meanwhile mustn't be written over, and what is sent fits its registers.
 */
static void test_saved_while_running(Fixture *f, gconstpointer data)
{
    const uint32_t own = X86_HF_SMM | X86_HF_INHIBIT_IRQ;
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autofree X86Cpu *before = NULL;
    const uint8_t *got;
    size_t len;

    f->cpu->hflags = own; /* of a mode that it has just left */
    f->cpu->cr[0] |= X86_CR0_PE;
    before = g_memdup2(f->cpu, sizeof(*before));
    g_assert_true(vmstate_save(out, f->cpu_vms, f->cpu, NULL));
    g_assert_cmphex(f->cpu->hflags, ==, own);
    g_assert_cmpmem(before, offsetof(X86Cpu, hflags_stream), f->cpu,
                    offsetof(X86Cpu, hflags_stream));
    got = stream_out_data(out, &len);
    load(f, f->cpu_vms, got, len, NULL);
    g_assert_cmphex(f->cpu->hflags & (own | X86_HF_PE), ==, own | X86_HF_PE);
}

static void test_truncated(Fixture *f, gconstpointer data)
{
    const size_t subsection = 2 + strlen("cpu/tsc_khz") + 4 + 8;
    g_autoptr(GByteArray) a = expand(kvm_reset, G_N_ELEMENTS(kvm_reset));
    g_autoptr(GByteArray) b =
        expand(tcg_subsections, G_N_ELEMENTS(tcg_subsections));

    for (size_t len = 0; len < a->len - subsection; len++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(load(f, f->cpu_vms, a->data, len, &err));
        g_assert_nonnull(err);
    }
    for (size_t len = 0; len < b->len; len++) {
        load(f, f->cpu_vms, b->data, len, NULL);
    }
    /* The last bytes are of a field again. */
    g_assert_false(load(f, f->cpu_vms, b->data, b->len - 1, NULL));
}

static void test_hostile(Fixture *f, gconstpointer data)
{
    static const struct {
        size_t off;
        uint8_t byte;
        const char *message;
    } t[] = {
        { 16 * 8 + 8 + 8 + 4 + 6 + 1, 1, "x87 register format" },
        { 0, 0, NULL },
    };

    for (size_t i = 0; t[i].message; i++) {
        g_autoptr(GByteArray) a = expand(kvm_reset, G_N_ELEMENTS(kvm_reset));
        g_autoptr(GError) err = NULL;

        a->data[t[i].off] = t[i].byte;
        g_assert_false(load(f, f->cpu_vms, a->data, a->len, &err));
        g_assert_nonnull(strstr(err->message, t[i].message));
    }
    /* Any single byte may have any value: never a crash. */
    for (unsigned v = 0; v < 256; v += 51) {
        g_autoptr(GByteArray) a = expand(kvm_reset, G_N_ELEMENTS(kvm_reset));

        for (size_t off = 0; off < a->len; off++) {
            uint8_t old = a->data[off];

            a->data[off] = v;
            load(f, f->cpu_vms, a->data, a->len, NULL);
            a->data[off] = old;
        }
    }
}

/* A stream of nested state or Hyper-V is refused by the subsection's name. */
static void test_unknown_subsection(Fixture *f, gconstpointer data)
{
    static const char name[] = "cpu/kvm_nested_state";
    g_autoptr(GByteArray) a = expand(kvm_reset, G_N_ELEMENTS(kvm_reset));
    g_autoptr(GError) err = NULL;
    const uint8_t head[] = { 5, sizeof(name) - 1 };
    const uint8_t version[] = { 0, 0, 0, 1 };

    g_byte_array_append(a, head, sizeof(head));
    g_byte_array_append(a, (const uint8_t *)name, sizeof(name) - 1);
    g_byte_array_append(a, version, sizeof(version));
    g_assert_false(load(f, f->cpu_vms, a->data, a->len, &err));
    g_assert_nonnull(strstr(err->message, name));
}

static void test_common(Fixture *f, gconstpointer data)
{
    const uint8_t buf[] = { 0, 0, 0, 1, 0, 0, 2, 0 };
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    g_assert_true(load(f, f->common_vms, buf, sizeof(buf), &err));
    g_assert_cmpint(f->cpu->halted, ==, 1);
    g_assert_cmphex(f->cpu->interrupt_request, ==, X86_IRQ_NMI);
    g_assert_true(vmstate_save(out, f->common_vms, f->cpu, &err));
    got = stream_out_data(out, &len);
    g_assert_cmpmem(got, len, buf, sizeof(buf));
}

static bool waits_as_told(void *opaque)
{
    return *(bool *)opaque;
}

static uint32_t saved_interrupt_request(Fixture *f)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    const uint8_t *got;
    size_t len;

    g_assert_true(vmstate_save(out, f->common_vms, f->cpu, NULL));
    got = stream_out_data(out, &len);
    g_assert_cmpuint(len, ==, 8);
    return ldl_be_p(got + 4);
}

/*
 * Who halted with an interrupt in its local APIC sleeps on with the peer, if
 * the stream doesn't say that it waits; bits of its own are no news here.
 */
static void test_interrupt_waits(Fixture *f, gconstpointer data)
{
    const uint8_t buf[] = { 0, 0, 0, 1, 0, 0, 0, 0x26 };
    bool waits = true;

    g_assert_true(load(f, f->common_vms, buf, sizeof(buf), NULL));
    g_assert_cmphex(saved_interrupt_request(f), ==, 0);
    f->cpu->interrupt_waits = waits_as_told;
    f->cpu->interrupt_opaque = &waits;
    g_assert_cmphex(saved_interrupt_request(f), ==, X86_IRQ_HARD);
    f->cpu->interrupt_request = X86_IRQ_SMI;
    g_assert_cmphex(saved_interrupt_request(f), ==, X86_IRQ_HARD | X86_IRQ_SMI);
    waits = false;
    g_assert_cmphex(saved_interrupt_request(f), ==, X86_IRQ_SMI);
}

/* Other software CPUs have an NMI that waits there and nowhere else. */
static void test_nmi_waits(Fixture *f, gconstpointer data)
{
    const uint8_t buf[] = { 0, 0, 0, 0, 0, 0, 2, 0 };
    g_autoptr(GByteArray) a = expand(kvm_reset, G_N_ELEMENTS(kvm_reset));

    g_assert_true(load(f, f->common_vms, buf, sizeof(buf), NULL));
    load(f, f->cpu_vms, a->data, a->len, NULL);
    g_assert_cmpint(f->cpu->nmi_pending, ==, 1);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*fn)(Fixture *f, gconstpointer data);
    } tests[] = {
        { "/cpu-vmstate/reset", test_reset_state },
        { "/cpu-vmstate/own-reset", test_own_reset },
        { "/cpu-vmstate/subsections", test_subsections },
        { "/cpu-vmstate/saved-while-running", test_saved_while_running },
        { "/cpu-vmstate/truncated", test_truncated },
        { "/cpu-vmstate/hostile", test_hostile },
        { "/cpu-vmstate/unknown-subsection", test_unknown_subsection },
        { "/cpu-vmstate/common", test_common },
        { "/cpu-vmstate/interrupt-waits", test_interrupt_waits },
        { "/cpu-vmstate/nmi-waits", test_nmi_waits },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, setup, tests[i].fn, teardown);
    }
    return g_test_run();
}
