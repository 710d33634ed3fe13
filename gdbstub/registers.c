/*
 * The registers as GDB sees them: numbers, layout, description.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/registers.h"

#include "util/bswap.h"

enum { NFP = 8, NXMM = 16 };

typedef enum RegClass {
    CLASS_GPR, /* index: X86_R* */
    CLASS_RIP,
    CLASS_EFLAGS,
    CLASS_SELECTOR, /* X86_ES … */
    CLASS_BASE,     /* X86_FS, X86_GS */
    CLASS_KERNEL_GS,
    CLASS_CR,
    CLASS_CR8,
    CLASS_EFER,
    CLASS_ST,
    CLASS_FPU, /* FPU_* */
    CLASS_XMM,
    CLASS_YMMH,
    CLASS_MXCSR,
} RegClass;

enum { FCTRL, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP };

typedef enum Feature {
    FEATURE_CORE,
    FEATURE_SEGMENTS,
    FEATURE_SYSTEM,
    FEATURE_SSE,
    FEATURE_AVX,
    NFEATURES,
} Feature;

typedef struct RegInfo {
    const char *name;
    uint8_t cls, index;
    uint8_t size; /* bytes */
    uint8_t feature;
    const char *type;
} RegInfo;

#define R_(n_, cls_, i_, size_, f_, type_)                           \
    {                                                                \
        .name = n_, .cls = CLASS_##cls_, .index = i_, .size = size_, \
        .feature = FEATURE_##f_, .type = type_                       \
    }
#define GPR(n_, i_)   R_(n_, GPR, i_, 8, CORE, "int64")
#define PTR(n_, i_)   R_(n_, GPR, i_, 8, CORE, "data_ptr")
#define SEG(n_, i_)   R_(n_, SELECTOR, i_, 4, CORE, "int32")
#define BASE(n_, i_)  R_(n_, BASE, i_, 8, SEGMENTS, "int64")
#define CR(i_, type_) R_("cr" #i_, CR, i_, 8, SYSTEM, type_)
#define ST(i_)        R_("st" #i_, ST, i_, 10, CORE, "i387_ext")
#define FPU(n_, i_)   R_(n_, FPU, i_, 4, CORE, "int")
#define XMM(i_)       R_("xmm" #i_, XMM, i_, 16, SSE, "vec128")
#define YMMH(i_)      R_("ymm" #i_ "h", YMMH, i_, 16, AVX, "uint128")

static const RegInfo regs[] = {
    GPR("rax", X86_RAX),
    GPR("rbx", X86_RBX),
    GPR("rcx", X86_RCX),
    GPR("rdx", X86_RDX),
    GPR("rsi", X86_RSI),
    GPR("rdi", X86_RDI),
    PTR("rbp", X86_RBP),
    PTR("rsp", X86_RSP),
    GPR("r8", X86_R8),
    GPR("r9", X86_R9),
    GPR("r10", X86_R10),
    GPR("r11", X86_R11),
    GPR("r12", X86_R12),
    GPR("r13", X86_R13),
    GPR("r14", X86_R14),
    GPR("r15", X86_R15),
    R_("rip", RIP, 0, 8, CORE, "code_ptr"),
    R_("eflags", EFLAGS, 0, 4, CORE, "i386_eflags"),
    SEG("cs", X86_CS),
    SEG("ss", X86_SS),
    SEG("ds", X86_DS),
    SEG("es", X86_ES),
    SEG("fs", X86_FS),
    SEG("gs", X86_GS),
    BASE("fs_base", X86_FS),
    BASE("gs_base", X86_GS),
    R_("k_gs_base", KERNEL_GS, 0, 8, SYSTEM, "int64"),
    CR(0, "i386_cr0"),
    CR(2, "int64"),
    CR(3, "int64"),
    CR(4, "i386_cr4"),
    R_("cr8", CR8, 0, 8, SYSTEM, "int64"),
    R_("efer", EFER, 0, 8, SYSTEM, "i386_efer"),
    ST(0),
    ST(1),
    ST(2),
    ST(3),
    ST(4),
    ST(5),
    ST(6),
    ST(7),
    FPU("fctrl", FCTRL),
    FPU("fstat", FSTAT),
    FPU("ftag", FTAG),
    FPU("fiseg", FISEG),
    FPU("fioff", FIOFF),
    FPU("foseg", FOSEG),
    FPU("fooff", FOOFF),
    FPU("fop", FOP),
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    XMM(8),
    XMM(9),
    XMM(10),
    XMM(11),
    XMM(12),
    XMM(13),
    XMM(14),
    XMM(15),
    R_("mxcsr", MXCSR, 0, 4, SSE, "i386_mxcsr"),
    /* Last, as not every CPU has them. */
    YMMH(0),
    YMMH(1),
    YMMH(2),
    YMMH(3),
    YMMH(4),
    YMMH(5),
    YMMH(6),
    YMMH(7),
    YMMH(8),
    YMMH(9),
    YMMH(10),
    YMMH(11),
    YMMH(12),
    YMMH(13),
    YMMH(14),
    YMMH(15),
};

static bool has_feature(const X86Cpu *c, unsigned feature)
{
    return feature != FEATURE_AVX ||
           (x86_cpu_model_xcr0(c->model) & X86_XCR0_AVX);
}

unsigned gdb_regs_count(const X86Cpu *c)
{
    unsigned n = G_N_ELEMENTS(regs);

    return has_feature(c, FEATURE_AVX) ? n : n - NXMM;
}

unsigned gdb_reg_size(unsigned n)
{
    return n < G_N_ELEMENTS(regs) ? regs[n].size : 0;
}

static X86FpReg *st_reg(const GdbRegs *r, unsigned i)
{
    unsigned top = (r->cpu->fpus >> 11) & 7;

    return &r->cpu->fpregs[r->fpregs_physical ? (i + top) % NFP : i];
}

/*
 * The full tag word from the abridged one: 0 valid, 1 zero, 2 special, 3
 * empty (SDM volume 1, 8.1.7 and table 10-2).
 */
static uint16_t full_tag(const GdbRegs *r)
{
    unsigned top = (r->cpu->fpus >> 11) & 7;
    uint16_t tag = 0;

    for (unsigned i = 0; i < NFP; i++) {
        const X86FpReg *f = st_reg(r, (i - top) & 7);
        unsigned exp = f->exp & 0x7fff;
        unsigned t = 0;

        if (!(r->cpu->fptag >> i & 1)) {
            t = 3;
        } else if (exp == 0 && f->mant == 0) {
            t = 1;
        } else if (exp == 0 || exp == 0x7fff || !(f->mant >> 63)) {
            t = 2;
        }
        tag |= t << (2 * i);
    }
    return tag;
}

static uint64_t fpu_get(const GdbRegs *r, unsigned i)
{
    const X86Cpu *c = r->cpu;

    switch (i) {
    case FCTRL:
        return c->fpuc;
    case FSTAT:
        return c->fpus;
    case FTAG:
        return full_tag(r);
    case FIOFF:
        return (uint32_t)c->fpip;
    case FOOFF:
        return (uint32_t)c->fpdp;
    case FOP:
        return c->fpop;
    default:
        return 0; /* selectors are no longer kept: SDM volume 1, 8.1.8 */
    }
}

static void fpu_set(const GdbRegs *r, unsigned i, uint32_t v)
{
    X86Cpu *c = r->cpu;

    switch (i) {
    case FCTRL:
        c->fpuc = v;
        break;
    case FSTAT:
        c->fpus = v;
        break;
    case FTAG:
        c->fptag = 0;
        for (unsigned k = 0; k < NFP; k++) {
            c->fptag |= (v >> (2 * k) & 3) == 3 ? 0 : 1U << k;
        }
        break;
    case FIOFF:
        c->fpip = v;
        break;
    case FOOFF:
        c->fpdp = v;
        break;
    case FOP:
        c->fpop = v & 0x7ff;
        break;
    default:
        break;
    }
}

static uint64_t plain_get(const GdbRegs *r, const RegInfo *info)
{
    const X86Cpu *c = r->cpu;

    switch (info->cls) {
    case CLASS_GPR:
        return c->regs[info->index];
    case CLASS_RIP:
        return c->rip;
    case CLASS_EFLAGS:
        return c->rflags;
    case CLASS_SELECTOR:
        return c->segs[info->index].selector;
    case CLASS_BASE:
        return c->segs[info->index].base;
    case CLASS_KERNEL_GS:
        return c->kernelgsbase;
    case CLASS_CR:
        return c->cr[info->index];
    case CLASS_CR8:
        return c->cr8;
    case CLASS_EFER:
        return c->efer;
    case CLASS_FPU:
        return fpu_get(r, info->index);
    case CLASS_MXCSR:
        return c->mxcsr;
    default:
        return 0;
    }
}

void gdb_reg_get(const GdbRegs *r, unsigned n, uint8_t *ret)
{
    const RegInfo *info = &regs[n];

    if (info->cls == CLASS_ST) {
        const X86FpReg *f = st_reg(r, info->index);

        stq_le_p(ret, f->mant);
        stw_le_p(ret + 8, f->exp);
    } else if (info->cls == CLASS_XMM) {
        memcpy(ret, r->cpu->vec[info->index].b, 16);
    } else if (info->cls == CLASS_YMMH) {
        memcpy(ret, r->cpu->vec[info->index].b + 16, 16);
    } else if (info->size == 8) {
        stq_le_p(ret, plain_get(r, info));
    } else {
        stl_le_p(ret, plain_get(r, info));
    }
}

/*
 * A selector without its descriptor is of use in real mode only; elsewhere
 * the hidden part, which GDB doesn't know, would not fit it.
 */
static void selector_set(X86Cpu *c, unsigned seg, uint16_t v)
{
    if (!(c->cr[0] & X86_CR0_PE) || (c->rflags & X86_FLAG_VM)) {
        c->segs[seg].selector = v;
        c->segs[seg].base = (uint32_t)v << 4;
    }
}

static void plain_set(const GdbRegs *r, const RegInfo *info, uint64_t v)
{
    X86Cpu *c = r->cpu;

    switch (info->cls) {
    case CLASS_GPR:
        c->regs[info->index] = v;
        break;
    case CLASS_RIP:
        c->rip = v;
        break;
    case CLASS_EFLAGS:
        c->rflags = v | 2;
        break;
    case CLASS_SELECTOR:
        selector_set(c, info->index, v);
        break;
    case CLASS_BASE:
        c->segs[info->index].base = v;
        break;
    case CLASS_KERNEL_GS:
        c->kernelgsbase = v;
        break;
    case CLASS_CR:
        c->cr[info->index] = v;
        break;
    case CLASS_CR8:
        c->cr8 = v & 15;
        break;
    case CLASS_EFER:
        c->efer = v;
        break;
    case CLASS_FPU:
        fpu_set(r, info->index, v);
        break;
    case CLASS_MXCSR:
        c->mxcsr = v & 0xffff;
        break;
    default:
        break;
    }
}

void gdb_reg_set(const GdbRegs *r, unsigned n, const uint8_t *value)
{
    const RegInfo *info = &regs[n];

    if (info->cls == CLASS_ST) {
        X86FpReg *f = st_reg(r, info->index);

        f->mant = ldq_le_p(value);
        f->exp = lduw_le_p(value + 8);
    } else if (info->cls == CLASS_XMM) {
        memcpy(r->cpu->vec[info->index].b, value, 16);
    } else if (info->cls == CLASS_YMMH) {
        memcpy(r->cpu->vec[info->index].b + 16, value, 16);
    } else {
        plain_set(r, info, info->size == 8 ? ldq_le_p(value) : ldl_le_p(value));
    }
    x86_cpu_update_hflags(r->cpu);
}

/* Description */

typedef struct FlagField {
    const char *name; /* NULL ends */
    uint8_t start, end;
} FlagField;

#define BIT_(n_, b_) \
    {                \
#n_, b_, b_  \
    }

static const FlagField eflags_fields[] = {
    BIT_(ID, 21), BIT_(VIP, 20), BIT_(VIF, 19),      BIT_(AC, 18), BIT_(VM, 17),
    BIT_(RF, 16), BIT_(NT, 14),  { "IOPL", 12, 13 }, BIT_(OF, 11), BIT_(DF, 10),
    BIT_(IF, 9),  BIT_(TF, 8),   BIT_(SF, 7),        BIT_(ZF, 6),  BIT_(AF, 4),
    BIT_(PF, 2),  { "", 1, 1 },  BIT_(CF, 0),        { NULL },
};
static const FlagField cr0_fields[] = {
    BIT_(PG, 31), BIT_(CD, 30), BIT_(NW, 29), BIT_(AM, 18),
    BIT_(WP, 16), BIT_(NE, 5),  BIT_(ET, 4),  BIT_(TS, 3),
    BIT_(EM, 2),  BIT_(MP, 1),  BIT_(PE, 0),  { NULL },
};
static const FlagField cr4_fields[] = {
    BIT_(PKS, 24),        BIT_(CET, 23),      BIT_(PKE, 22),
    BIT_(SMAP, 21),       BIT_(SMEP, 20),     BIT_(OSXSAVE, 18),
    BIT_(PCIDE, 17),      BIT_(FSGSBASE, 16), BIT_(SMXE, 14),
    BIT_(VMXE, 13),       BIT_(LA57, 12),     BIT_(UMIP, 11),
    BIT_(OSXMMEXCPT, 10), BIT_(OSFXSR, 9),    BIT_(PCE, 8),
    BIT_(PGE, 7),         BIT_(MCE, 6),       BIT_(PAE, 5),
    BIT_(PSE, 4),         BIT_(DE, 3),        BIT_(TSD, 2),
    BIT_(PVI, 1),         BIT_(VME, 0),       { NULL },
};
static const FlagField efer_fields[] = {
    BIT_(FFXSR, 14), BIT_(LMSLE, 13), BIT_(SVME, 12), BIT_(NXE, 11),
    BIT_(LMA, 10),   BIT_(LME, 8),    BIT_(SCE, 0),   { NULL },
};
static const FlagField mxcsr_fields[] = {
    BIT_(IE, 0),  BIT_(DE, 1),  BIT_(ZE, 2),  BIT_(OE, 3),  BIT_(UE, 4),
    BIT_(PE, 5),  BIT_(DAZ, 6), BIT_(IM, 7),  BIT_(DM, 8),  BIT_(ZM, 9),
    BIT_(OM, 10), BIT_(UM, 11), BIT_(PM, 12), BIT_(FZ, 15), { NULL },
};

static const struct {
    const char *id;
    uint8_t feature, size;
    const FlagField *fields;
} flag_types[] = {
    { "i386_eflags", FEATURE_CORE, 4, eflags_fields },
    { "i386_cr0", FEATURE_SYSTEM, 8, cr0_fields },
    { "i386_cr4", FEATURE_SYSTEM, 8, cr4_fields },
    { "i386_efer", FEATURE_SYSTEM, 8, efer_fields },
    { "i386_mxcsr", FEATURE_SSE, 4, mxcsr_fields },
};

/* The views of an XMM register, as a union of vectors. */
static const struct {
    const char *id, *type, *field;
    unsigned count;
} vector_types[] = {
    { "v4f", "ieee_single", "v4_float", 4 },
    { "v2d", "ieee_double", "v2_double", 2 },
    { "v16i8", "int8", "v16_int8", 16 },
    { "v8i16", "int16", "v8_int16", 8 },
    { "v4i32", "int32", "v4_int32", 4 },
    { "v2i64", "int64", "v2_int64", 2 },
};

static void xml_flag_types(GString *out, unsigned feature)
{
    for (size_t i = 0; i < G_N_ELEMENTS(flag_types); i++) {
        if (flag_types[i].feature != feature) {
            continue;
        }
        g_string_append_printf(out, "<flags id=\"%s\" size=\"%u\">",
                               flag_types[i].id, flag_types[i].size);
        for (const FlagField *f = flag_types[i].fields; f->name; f++) {
            g_string_append_printf(
                out, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", f->name,
                f->start, f->end);
        }
        g_string_append(out, "</flags>");
    }
}

static void xml_vector_types(GString *out)
{
    for (size_t i = 0; i < G_N_ELEMENTS(vector_types); i++) {
        g_string_append_printf(out,
                               "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>",
                               vector_types[i].id, vector_types[i].type,
                               vector_types[i].count);
    }
    g_string_append(out, "<union id=\"vec128\">");
    for (size_t i = 0; i < G_N_ELEMENTS(vector_types); i++) {
        g_string_append_printf(out, "<field name=\"%s\" type=\"%s\"/>",
                               vector_types[i].field, vector_types[i].id);
    }
    g_string_append(out, "<field name=\"uint128\" type=\"uint128\"/></union>");
}

static void xml_feature(GString *out, unsigned feature)
{
    xml_flag_types(out, feature);
    if (feature == FEATURE_SSE) {
        xml_vector_types(out);
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(regs); n++) {
        if (regs[n].feature == feature) {
            g_string_append_printf(out,
                                   "<reg name=\"%s\" bitsize=\"%u\" "
                                   "type=\"%s\" regnum=\"%u\"/>",
                                   regs[n].name, regs[n].size * 8, regs[n].type,
                                   n);
        }
    }
}

char *gdb_target_xml(const X86Cpu *c)
{
    static const char *const features[NFEATURES] = {
        [FEATURE_CORE] = "org.gnu.gdb.i386.core",
        [FEATURE_SEGMENTS] = "org.gnu.gdb.i386.segments",
        [FEATURE_SYSTEM] = "system",
        [FEATURE_SSE] = "org.gnu.gdb.i386.sse",
        [FEATURE_AVX] = "org.gnu.gdb.i386.avx",
    };
    GString *out =
        g_string_new("<?xml version=\"1.0\"?>\n"
                     "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                     "<target><architecture>i386:x86-64</architecture>\n");

    for (unsigned f = 0; f < NFEATURES; f++) {
        if (has_feature(c, f)) {
            g_string_append_printf(out, "<feature name=\"%s\">", features[f]);
            xml_feature(out, f);
            g_string_append(out, "</feature>\n");
        }
    }
    g_string_append(out, "</target>\n");
    return g_string_free(out, FALSE);
}
