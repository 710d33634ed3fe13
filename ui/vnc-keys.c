/*
 * Keys of VNC clients: keysyms of X, as a keyboard of the United States has
 * them.  (RFC 6143, 7.5.4; X.org "X Window System Protocol", appendix A.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/input.h"
#include "ui/vnc-priv.h"

#include <rfb/keysym.h>

/* By character; letters are in vnc_key_code(). */
static const uint8_t ascii[128] = {
    [' '] = Q_KEY_CODE_SPC,
    ['!'] = Q_KEY_CODE_1,
    ['"'] = Q_KEY_CODE_APOSTROPHE,
    ['#'] = Q_KEY_CODE_3,
    ['$'] = Q_KEY_CODE_4,
    ['%'] = Q_KEY_CODE_5,
    ['&'] = Q_KEY_CODE_7,
    ['\''] = Q_KEY_CODE_APOSTROPHE,
    ['('] = Q_KEY_CODE_9,
    [')'] = Q_KEY_CODE_0,
    ['*'] = Q_KEY_CODE_8,
    ['+'] = Q_KEY_CODE_EQUAL,
    [','] = Q_KEY_CODE_COMMA,
    ['-'] = Q_KEY_CODE_MINUS,
    ['.'] = Q_KEY_CODE_DOT,
    ['/'] = Q_KEY_CODE_SLASH,
    ['0'] = Q_KEY_CODE_0,
    ['1'] = Q_KEY_CODE_1,
    ['2'] = Q_KEY_CODE_2,
    ['3'] = Q_KEY_CODE_3,
    ['4'] = Q_KEY_CODE_4,
    ['5'] = Q_KEY_CODE_5,
    ['6'] = Q_KEY_CODE_6,
    ['7'] = Q_KEY_CODE_7,
    ['8'] = Q_KEY_CODE_8,
    ['9'] = Q_KEY_CODE_9,
    [':'] = Q_KEY_CODE_SEMICOLON,
    [';'] = Q_KEY_CODE_SEMICOLON,
    ['<'] = Q_KEY_CODE_COMMA,
    ['='] = Q_KEY_CODE_EQUAL,
    ['>'] = Q_KEY_CODE_DOT,
    ['?'] = Q_KEY_CODE_SLASH,
    ['@'] = Q_KEY_CODE_2,
    ['['] = Q_KEY_CODE_BRACKET_LEFT,
    ['\\'] = Q_KEY_CODE_BACKSLASH,
    [']'] = Q_KEY_CODE_BRACKET_RIGHT,
    ['^'] = Q_KEY_CODE_6,
    ['_'] = Q_KEY_CODE_MINUS,
    ['`'] = Q_KEY_CODE_GRAVE_ACCENT,
    ['{'] = Q_KEY_CODE_BRACKET_LEFT,
    ['|'] = Q_KEY_CODE_BACKSLASH,
    ['}'] = Q_KEY_CODE_BRACKET_RIGHT,
    ['~'] = Q_KEY_CODE_GRAVE_ACCENT,
};

/* In no order of their own: a key among some hundred is found soon enough. */
static const struct {
    uint16_t sym;
    uint8_t key;
} named[] = {
    { XK_BackSpace, Q_KEY_CODE_BACKSPACE },
    { XK_Tab, Q_KEY_CODE_TAB },
    { XK_ISO_Left_Tab, Q_KEY_CODE_TAB },
    { XK_Return, Q_KEY_CODE_RET },
    { XK_Escape, Q_KEY_CODE_ESC },
    { XK_Scroll_Lock, Q_KEY_CODE_SCROLL_LOCK },
    { XK_Sys_Req, Q_KEY_CODE_SYSRQ },
    { XK_Print, Q_KEY_CODE_PRINT },
    { XK_Delete, Q_KEY_CODE_DELETE },
    { XK_Insert, Q_KEY_CODE_INSERT },
    { XK_Home, Q_KEY_CODE_HOME },
    { XK_End, Q_KEY_CODE_END },
    { XK_Page_Up, Q_KEY_CODE_PGUP },
    { XK_Page_Down, Q_KEY_CODE_PGDN },
    { XK_Left, Q_KEY_CODE_LEFT },
    { XK_Up, Q_KEY_CODE_UP },
    { XK_Right, Q_KEY_CODE_RIGHT },
    { XK_Down, Q_KEY_CODE_DOWN },
    { XK_Menu, Q_KEY_CODE_MENU },
    { XK_Num_Lock, Q_KEY_CODE_NUM_LOCK },
    { XK_Caps_Lock, Q_KEY_CODE_CAPS_LOCK },
    { XK_Shift_L, Q_KEY_CODE_SHIFT },
    { XK_Shift_R, Q_KEY_CODE_SHIFT_R },
    { XK_Control_L, Q_KEY_CODE_CTRL },
    { XK_Control_R, Q_KEY_CODE_CTRL_R },
    { XK_Alt_L, Q_KEY_CODE_ALT },
    { XK_Alt_R, Q_KEY_CODE_ALT_R },
    { XK_ISO_Level3_Shift, Q_KEY_CODE_ALT_R },
    { XK_Mode_switch, Q_KEY_CODE_ALT_R },
    { XK_Meta_L, Q_KEY_CODE_META_L },
    { XK_Meta_R, Q_KEY_CODE_META_R },
    { XK_Super_L, Q_KEY_CODE_META_L },
    { XK_Super_R, Q_KEY_CODE_META_R },
    { XK_KP_Enter, Q_KEY_CODE_KP_ENTER },
    { XK_KP_Add, Q_KEY_CODE_KP_ADD },
    { XK_KP_Subtract, Q_KEY_CODE_KP_SUBTRACT },
    { XK_KP_Multiply, Q_KEY_CODE_KP_MULTIPLY },
    { XK_KP_Divide, Q_KEY_CODE_KP_DIVIDE },
    { XK_KP_Decimal, Q_KEY_CODE_KP_DECIMAL },
    { XK_KP_Separator, Q_KEY_CODE_KP_COMMA },
    { XK_KP_Equal, Q_KEY_CODE_KP_EQUALS },
    { XK_KP_Delete, Q_KEY_CODE_KP_DECIMAL },
    { XK_KP_Insert, Q_KEY_CODE_KP_0 },
    { XK_KP_End, Q_KEY_CODE_KP_1 },
    { XK_KP_Down, Q_KEY_CODE_KP_2 },
    { XK_KP_Page_Down, Q_KEY_CODE_KP_3 },
    { XK_KP_Left, Q_KEY_CODE_KP_4 },
    { XK_KP_Begin, Q_KEY_CODE_KP_5 },
    { XK_KP_Right, Q_KEY_CODE_KP_6 },
    { XK_KP_Home, Q_KEY_CODE_KP_7 },
    { XK_KP_Up, Q_KEY_CODE_KP_8 },
    { XK_KP_Page_Up, Q_KEY_CODE_KP_9 },
    { XK_F11, Q_KEY_CODE_F11 },
    { XK_F12, Q_KEY_CODE_F12 },
};

static QKeyCode vnc_key_letter(char c)
{
    const char name[] = { g_ascii_tolower(c), '\0' };
    QKeyCode key = Q_KEY_CODE_UNMAPPED;

    q_key_code_parse(name, &key);
    return key;
}

static QKeyCode key_of(uint32_t sym)
{
    if (sym < G_N_ELEMENTS(ascii)) {
        return g_ascii_isalpha(sym) ? vnc_key_letter(sym)
                                    : (QKeyCode)ascii[sym];
    }
    if (sym >= XK_F1 && sym <= XK_F10) {
        return Q_KEY_CODE_F1 + (sym - XK_F1);
    }
    if (sym >= XK_KP_0 && sym <= XK_KP_9) {
        return Q_KEY_CODE_KP_0 + (sym - XK_KP_0);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(named); i++) {
        if (named[i].sym == sym) {
            return named[i].key;
        }
    }
    return Q_KEY_CODE_UNMAPPED;
}

uint16_t vnc_key_code(uint32_t keysym)
{
    return key_code_set1(key_of(keysym));
}
