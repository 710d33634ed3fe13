/*
 * A VGA with the VESA extension of Bochs: what its parts share.
 *
 * Sources: IBM, "PS/2 Hardware Interface Technical Reference: Video
 * Subsystems" (1992); the Bochs project, "VBE display API" (vbe_display_api).
 *
 * Video memory is interleaved: the byte of plane p at offset a of the planes
 * is vram[4 * a + p].  With chain-4 the guest sees vram itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_DISPLAY_VGA_PRIV_H
#define HW_DISPLAY_VGA_PRIV_H

#include "hw/pci/pci.h"
#include "ui/console.h"

/* Sequencer */
enum {
    VGA_SR_RESET = 0,
    VGA_SR_CLOCKING = 1, /* bit 0: 8 dots; 3: half the dot clock */
    VGA_SR_MAP_MASK = 2, /* planes that are written */
    VGA_SR_FONTS = 3,    /* where the two fonts are in plane 2 */
    VGA_SR_MEM_MODE = 4, /* bit 2: no odd/even; 3: chain-4 */
};

/* Graphics controller */
enum {
    VGA_GR_SET_RESET = 0,
    VGA_GR_ENABLE_SET_RESET = 1,
    VGA_GR_COLOR_COMPARE = 2,
    VGA_GR_ROTATE = 3, /* bits 0-2: count; 3-4: function */
    VGA_GR_READ_MAP = 4,
    VGA_GR_MODE = 5, /* 0-1: write mode; 3: read mode; 4: odd/even; 5-6 */
    VGA_GR_MISC = 6, /* bit 0: graphics; 2-3: where the window is */
    VGA_GR_DONT_CARE = 7,
    VGA_GR_BIT_MASK = 8,
};

/* CRT controller */
enum {
    VGA_CR_H_DISPLAY = 0x01,
    VGA_CR_OVERFLOW = 0x07,
    VGA_CR_PRESET_SCAN = 0x08, /* bits 5-6: pans by bytes */
    VGA_CR_MAX_SCAN = 0x09,    /* bit 7: each line twice */
    VGA_CR_CURSOR_START = 0x0a,
    VGA_CR_CURSOR_END = 0x0b,
    VGA_CR_START_HI = 0x0c,
    VGA_CR_START_LO = 0x0d,
    VGA_CR_CURSOR_HI = 0x0e,
    VGA_CR_CURSOR_LO = 0x0f,
    VGA_CR_V_SYNC_END = 0x11, /* bit 7: protects 0 to 7 */
    VGA_CR_V_DISPLAY = 0x12,
    VGA_CR_OFFSET = 0x13,
    VGA_CR_MODE = 0x17,
    VGA_CR_LINE_COMPARE = 0x18,
};

/* Attribute controller */
enum {
    VGA_AR_MODE = 0x10,
    VGA_AR_OVERSCAN = 0x11,
    VGA_AR_PLANES = 0x12,
    VGA_AR_PAN = 0x13,
    VGA_AR_COLOR_SELECT = 0x14,
    VGA_AR_PAS = 0x20, /* of the index: the palette is in use */
};

/* Registers of the Bochs extension, and their bits. */
enum {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRT_WIDTH,
    VBE_VIRT_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_NREGS,
    VBE_MEMORY_64K = VBE_NREGS, /* made up when it is read */

    VBE_ENABLED = 0x01,
    VBE_GETCAPS = 0x02,
    VBE_8BIT_DAC = 0x20,
    VBE_NOCLEARMEM = 0x80,

    VBE_ID0 = 0xb0c0,
    VBE_ID5 = 0xb0c5,
    VBE_MAX_XRES = 16000,
    VBE_MAX_YRES = 12000,
};

enum {
    VGA_WINDOW = 0xa0000, /* and 128 KiB from there */
    VGA_WINDOW_SIZE = 0x20000,
    VGA_FONT_BYTES = 256 * 32, /* of plane 2 */
    VGA_MAX_CELLS = 256 * 128, /* of text that is drawn */
};

/*
 * What is on the screen, as the registers say.  Compared as bytes: no member
 * leaves a gap.
 */
typedef struct VgaMode {
    enum {
        VGA_BLANK,
        VGA_TEXT,
        VGA_PLANAR, /* 16 colors */
        VGA_CGA,    /* 4 colors of two bits */
        VGA_PACKED, /* 256 colors */
        VGA_RGB,    /* bits: 15, 16, 24, 32 */
    } kind;
    unsigned width, height; /* pixels of the surface */
    unsigned bits;          /* per pixel of VGA_RGB */
    unsigned xscale;        /* columns of the surface for one pixel */
    unsigned yscale;        /* rows of the surface for one line */
    uint32_t start;         /* byte of vram */
    uint32_t line_bytes;    /* of vram from one line to the next */
    unsigned line_compare;  /* the row that shows the start of memory */
    unsigned pan;           /* pixels that are left out */
    /* Text */
    unsigned cols, rows, cell_w, cell_h;
    unsigned big_endian; /* 0 or 1 */
    unsigned crtc_mode;  /* bits 0 and 1 of it: CGA's and Hercules' addresses */
} VgaMode;

/* What was drawn, and of what. */
typedef struct VgaDrawn {
    VgaMode mode;
    uint32_t colors[256];
    bool valid;  /* the surface shows it */
    bool cursor; /* drawn at cursor_cell */
    unsigned cursor_cell;
    uint8_t cursor_shape[2];
    uint8_t fonts[2][VGA_FONT_BYTES];
    uint16_t cells[VGA_MAX_CELLS];
} VgaDrawn;

typedef struct Vga {
    /* State, in the stream's order; "vga" version 2. */
    uint32_t latch; /* plane p in bits 8p */
    uint8_t sr_index, sr[8];
    uint8_t gr_index, gr[16];
    uint8_t ar_index, ar[21];
    int32_t ar_flip_flop; /* 0: the index is next */
    uint8_t cr_index, cr[256];
    uint8_t msr, fcr, st00, st01;
    uint8_t dac_state; /* as port 0x3c7 reads: 3 or 0 */
    uint8_t dac_sub_index, dac_read_index, dac_write_index;
    uint8_t dac_cache[3];
    uint8_t palette[768];
    int32_t bank_offset;    /* bytes */
    uint8_t is_vbe_vmstate; /* 1 */
    uint16_t vbe_index, vbe_regs[VBE_NREGS];
    uint32_t vbe_start_addr;  /* 4 bytes */
    uint32_t vbe_line_offset; /* bytes */
    uint32_t vbe_bank_mask;   /* of 64 KiB */
    bool big_endian_fb;       /* subsection */

    Device *dev;
    MemoryRegion vram; /* RAM; owned */
    uint32_t vram_size;
    Console *con;
    VgaDrawn *drawn;
    bool watched; /* the display's dirty log is on */
    IoRange io[6];
    MemoryRegion window;
} Vga;

extern const Vmstate vmstate_vga;

enum {
    VGA_MMIO_SIZE = 4096,  /* of the registers in a BAR */
    VGA_EDID_SIZE = 0x180, /* of them */
};

/* What PCI cards with a VGA share; DeviceType.shared_offset says where. */
typedef struct VgaCard {
    Vga vga;
    uint32_t vgamem_mb; /* a property */
    bool opt_extended;  /* the registers at 0x600 are there */
    /* VGA_EDID_SIZE bytes, the card's; NULL: there are none. */
    const uint8_t *edid;
    MemoryRegion mmio_edid, mmio_ports, mmio_vbe, mmio_extended;
} VgaCard;

/* As described; its fields are one struct of the name "vga". */
#define VMSTATE_VGA_CARD(T, f)                                           \
    {                                                                    \
        .name = "vga", .kind = VMS_STRUCT, .offset = offsetof(T, f.vga), \
        .size = sizeof(Vga), .vms = &vmstate_vga                         \
    }

/*
 * Ports, window and BAR 0.  The core releases what it claims; the console is
 * the caller's: vga.con.
 */
bool vga_card_realize(VgaCard *c, PciDevice *pci, GError **errp);
void vga_card_unrealize(VgaCard *c);
/* Puts the registers to the start of a BAR. */
void vga_card_add_mmio(VgaCard *c, MemoryRegion *into);
void vga_card_reset(VgaCard *c);

/* A port from 0x3b0 to 0x3df, one byte. */
uint8_t vga_port_read(Vga *s, unsigned port);
void vga_port_write(Vga *s, unsigned port, uint8_t val);

static inline bool vbe_enabled(const Vga *s)
{
    return s->vbe_regs[VBE_ENABLE] & VBE_ENABLED;
}
uint16_t vbe_read(const Vga *s, unsigned reg);
void vbe_write(Vga *s, unsigned reg, uint16_t val);
/* The VGA's own registers follow the mode, while there is one. */
void vbe_update(Vga *s);
/* The registers were loaded: has them fit, whatever they were. */
void vbe_loaded(Vga *s);

/* A byte of the window; `off` from VGA_WINDOW. */
uint8_t vga_mem_read(Vga *s, uint32_t off);
void vga_mem_write(Vga *s, uint32_t off, uint8_t val);

VgaMode vga_mode(const Vga *s);
extern const ConsoleOps vga_console_ops;
/* The next refresh draws everything. */
void vga_invalidate(Vga *s);

/* vga-text.c; the surface is locked.  Adds what was drawn to *damage. */
void vga_draw_text(Vga *s, const VgaMode *m, bool all, Rect *damage);
/* The smallest rectangle that holds both. */
void vga_rect_add(Rect *r, unsigned x, unsigned y, unsigned w, unsigned h);

#endif
