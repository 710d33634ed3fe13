#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the table of test-soft-insns.c: instructions by the conditions that
the SDM lists for them.

Each line of INSNS is a page of the SDM (volume 2) in short:

    name; bytes; operand; feature; class; flags

operand   /r or /0../7: a ModRM byte follows (and what the line says after
          it: an immediate); - : none
feature   FT_* without which it is invalid; - : always there, or another
          instruction has the same bytes then
class     which exceptions it has, see CLASSES
flags     r m  forms with a register, with memory; M  with memory that isn't
          touched; U  invalid with a register (where that is no other
          instruction); w  it writes memory; L  LOCK is allowed;
          2  VEX.vvvv is unused; A  memory has to be aligned"""

import sys

INSNS = """
add; 01; /r; -; int; rmwL
or; 09; /r; -; int; rmwL
mov; 89; /r; -; int; rmw
mov; 8b; /r; -; int; rm
lea; 8d; /r; -; int; MU
xchg; 87; /r; -; int; rmwL
test; 85; /r; -; int; rm
cmp; 39; /r; -; int; rm
not; f7; /2; -; int; rmwL
inc; ff; /0; -; int; rmwL
shl; c1; /4 03; -; int; rmw
imul; 0faf; /r; -; int; rm
movzx; 0fb6; /r; -; int; rm
movsxd; 4863; /r; -; int; rm
setc; 0f92; /0; -; int; rmw
cmovc; 0f42; /r; FT_CMOV; int; rm
bt; 0fa3; /r; -; int; rm
bts; 0fab; /r; -; int; rmwL
bsf; 0fbc; /r; -; int; rm
shld; 0fa4; /r 03; -; int; rmw
xadd; 0fc1; /r; -; int; rmwL
cmpxchg; 0fb1; /r; -; int; rmwL
cmpxchg8b; 0fc7; /1; FT_CX8; int; mwLU
bswap; 0fc8; -; -; int;
cpuid; 0fa2; -; -; int;
cld; fc; -; -; int;
popcnt; f30fb8; /r; FT_POPCNT; int; rm
crc32; f20f38f1; /r; FT_SSE42; int; rm
movbe; 0f38f0; /r; FT_MOVBE; int; mU
movbe; 0f38f1; /r; FT_MOVBE; int; mwU
adcx; 660f38f6; /r; FT_ADX; int; rm
adox; f30f38f6; /r; FT_ADX; int; rm
movnti; 0fc3; /r; FT_SSE2; int; mwU
clflush; 0fae; /7; FT_CLFLUSH; int; m
clflushopt; 660fae; /7; FT_CLFLUSHOPT; int; m
clwb; 660fae; /6; FT_CLWB; int; m
rdrand; 0fc7; /6; FT_RDRAND; int; r
rdseed; 0fc7; /7; FT_RDSEED; int; r
rdpid; f30fc7; /7; FT_RDPID; int; r
rdtsc; 0f31; -; FT_TSC; int;
rdtscp; 0f01f9; -; FT_RDTSCP; int;
andn; c4e278f2; /r; FT_BMI1; bmi; rm
bextr; c4e278f7; /r; FT_BMI1; bmi; rm
blsr; c4e278f3; /1; FT_BMI1; bmi; rm
bzhi; c4e278f5; /r; FT_BMI2; bmi; rm
pdep; c4e27bf5; /r; FT_BMI2; bmi; rm
mulx; c4e27bf6; /r; FT_BMI2; bmi; rm
rorx; c4e37bf0; /r 03; FT_BMI2; bmi; rm2
shlx; c4e279f7; /r; FT_BMI2; bmi; rm
paddb mm; 0ffc; /r; FT_MMX; mmx; rm
movq mm; 0f6f; /r; FT_MMX; mmx; rm
movq mm; 0f7f; /r; FT_MMX; mmx; rmw
emms; 0f77; -; FT_MMX; mmx;
pshufb mm; 0f3800; /r; FT_SSSE3; mmx; rm
movups; 0f10; /r; FT_SSE; sse; rm
movups; 0f11; /r; FT_SSE; sse; rmw
movaps; 0f28; /r; FT_SSE; sse; rmA
movaps; 0f29; /r; FT_SSE; sse; rmwA
movss; f30f10; /r; FT_SSE; sse; rm
addps; 0f58; /r; FT_SSE; sse; rmA
addss; f30f58; /r; FT_SSE; sse; rm
cvtsi2ss; f30f2a; /r; FT_SSE; sse; rm
ucomiss; 0f2e; /r; FT_SSE; sse; rm
shufps; 0fc6; /r 00; FT_SSE; sse; rmA
movntps; 0f2b; /r; FT_SSE; sse; mwAU
ldmxcsr; 0fae; /2; FT_SSE; sse; mU
stmxcsr; 0fae; /3; FT_SSE; sse; mwU
addpd; 660f58; /r; FT_SSE2; sse; rmA
movdqa; 660f6f; /r; FT_SSE2; sse; rmA
movdqu; f30f6f; /r; FT_SSE2; sse; rm
movd; 660f6e; /r; FT_SSE2; sse; rm
movq; f30f7e; /r; FT_SSE2; sse; rm
paddd; 660ffe; /r; FT_SSE2; sse; rmA
pshufd; 660f70; /r 00; FT_SSE2; sse; rmA
cvttsd2si; f20f2c; /r; FT_SSE2; sse; rm
movddup; f20f12; /r; FT_SSE3; sse; rm
lddqu; f20ff0; /r; FT_SSE3; sse; mU
pshufb; 660f3800; /r; FT_SSSE3; sse; rmA
pmulld; 660f3840; /r; FT_SSE41; sse; rmA
ptest; 660f3817; /r; FT_SSE41; sse; rmA
pmovsxbw; 660f3820; /r; FT_SSE41; sse; rm
movntdqa; 660f382a; /r; FT_SSE41; sse; mAU
pinsrd; 660f3a22; /r 00; FT_SSE41; sse; rm
pcmpgtq; 660f3837; /r; FT_SSE42; sse; rmA
aesenc; 660f38dc; /r; FT_AES; sse; rmA
pclmulqdq; 660f3a44; /r 00; FT_PCLMUL; sse; rmA
sha1nexte; 0f38c8; /r; FT_SHA; sse; rmA
vmovups; c5f810; /r; FT_AVX; avx; rm2
vmovups ymm; c5fc11; /r; FT_AVX; avx; rmw2
vmovaps; c5f828; /r; FT_AVX; avx; rmA2
vmovaps ymm; c5fc29; /r; FT_AVX; avx32; rmwA2
vaddps; c5f858; /r; FT_AVX; avx; rm
vaddps ymm; c5fc58; /r; FT_AVX; avx; rm
vaddss; c5fa58; /r; FT_AVX; avx; rm
vbroadcastss; c4e27918; /r; FT_AVX; avx; m2
vpaddd; c5f9fe; /r; FT_AVX; avx; rm
vpaddd ymm; c5fdfe; /r; FT_AVX2; avx; rm
vpermq; c4e3fd00; /r 00; FT_AVX2; avx; rm2
vpbroadcastd; c4e27d58; /r; FT_AVX2; avx; rm2
vzeroupper; c5f877; -; FT_AVX; avx; 2
vfmadd132ps; c4e27998; /r; FT_FMA; avx; rm
vcvtph2ps; c4e27913; /r; FT_F16C; avx; rm2
vaesenc; c4e279dc; /r; FT_AES; avx; rm
fld; d9; /0; -; x87; m
fstp; d9; /3; -; x87; mw
fadd; d8; /0; -; x87; rm
fnstcw; d9; /7; -; x87; mw
fnstsw; dfe0; -; -; x87;
fninit; dbe3; -; -; x87;
fxsave; 0fae; /0; FT_FXSR; fx; mwAU
fxrstor; 0fae; /1; FT_FXSR; fx; mAU
xsave; 0fae; /4; FT_XSAVE; xsave; mwAU
xrstor; 0fae; /5; FT_XSAVE; xsave; mA
xsaveopt; 0fae; /6; FT_XSAVEOPT; xsave; mwA
xgetbv; 0f01d0; -; FT_XSAVE; osxsave;
rdfsbase; f30fae; /0; FT_FSGSBASE; fsgs; r
wrgsbase; f30fae; /3; FT_FSGSBASE; fsgs; r
clts; 0f06; -; -; priv;
invd; 0f08; -; -; priv;
wbinvd; 0f09; -; -; priv;
invlpg; 0f01; /7; -; privm; M
mov cr2; 0f22d0; -; -; priv;
mov from cr0; 0f20c0; -; -; priv;
mov from dr6; 0f21f0; -; -; priv;
lidt; 0f01; /3; -; priv; m
lgdt; 0f01; /2; -; priv; m
swapgs; 0f01f8; -; -; priv;
"""

# Bytes that are no instruction in 64-bit mode, or none at all.
INVALID = """
push cs; 0e
pop ss; 17
daa; 27
aaa; 37
pusha; 60
bound; 6203
call far; 9a0000000000
into; ce
aam; d40a
salc; d6
ud0; 0fff03
ud1; 0fb903
ud2; 0f0b
0f 04; 0f04
0f 0a; 0f0a
mov cr1; 0f22c8
group 4 /2; fed0
group 5 /7; ffff
lea reg; 8dc1
movbe reg; 0f38f0c1
cmpxchg8b /0; 0fc703
"""

ALIGNMENT = {'sse': 16, 'avx': 16, 'avx32': 32, 'fx': 16, 'xsave': 64}

# Condition: (what changes, the exception), by class; alone, each of them.
EM, TS = 'X86_CR0_EM', 'X86_CR0_TS'
CLASSES = {
    'int': [],
    'bmi': [],
    'mmx': [('cr0', EM, 'EXC_UD'), ('cr0', TS, 'EXC_NM')],
    'sse': [('cr0', EM, 'EXC_UD'), ('cr0', TS, 'EXC_NM'),
            ('no_cr4', 'X86_CR4_OSFXSR', 'EXC_UD')],
    'avx': [('cr0', EM, 'NONE'), ('cr0', TS, 'EXC_NM'),
            ('no_cr4', 'X86_CR4_OSFXSR', 'NONE'),
            ('no_cr4', 'X86_CR4_OSXSAVE', 'EXC_UD'),
            ('no_xcr0', 'X86_XCR0_AVX', 'EXC_UD')],
    'x87': [('cr0', EM, 'EXC_NM'), ('cr0', TS, 'EXC_NM')],
    'fx': [('cr0', EM, 'EXC_NM'), ('cr0', TS, 'EXC_NM')],
    'xsave': [('cr0', TS, 'EXC_NM'),
              ('no_cr4', 'X86_CR4_OSXSAVE', 'EXC_UD')],
    'osxsave': [('no_cr4', 'X86_CR4_OSXSAVE', 'EXC_UD')],
    'fsgs': [('no_cr4', 'X86_CR4_FSGSBASE', 'EXC_UD')],
    'priv': [('cpl', '3', 'EXC_GP')],
    'privm': [('cpl', '3', 'EXC_GP')],
}
CLASSES['avx32'] = CLASSES['avx']


class Insn:
    def __init__(self, line):
        name, code, operand, feature, kind, flags = (
            part.strip() for part in line.split(';'))
        self.name, self.kind, self.flags = name, kind, flags
        self.code = bytes.fromhex(code)
        self.feature = '0' if feature == '-' else feature
        operand, _, imm = operand.partition(' ')
        self.reg = None if operand == '-' else (
            0 if operand == '/r' else int(operand[1:]))
        self.imm = bytes.fromhex(imm)

    def encode(self, mod_rm, code=None):
        """mod_rm: without reg; the address is in RBX, or in RBP."""
        code = self.code if code is None else code
        if self.reg is None:
            return code
        modrm = mod_rm | self.reg << 3
        disp = b'\0' if modrm >> 6 == 1 else b''
        return code + bytes([modrm]) + disp + self.imm

    def is_vex(self):
        return self.kind in ('avx', 'avx32', 'bmi')


REG, BY_RBX, BY_RBP = 0xc1, 0x03, 0x45


def row(insn, what, code, vec, **fields):
    text = ''.join('\\x%02x' % b for b in code)
    more = ''.join(', .%s = %s' % item for item in fields.items())
    return '{ "%s, %s", "%s", %d, %s%s, .vec = %s },' % (
        insn.name, what, text, len(code), insn.feature, more, vec)


def memory_rows(insn):
    for what, mod_rm, addr, vec in (
            ('no page', BY_RBX, 'NO_PAGE', 'EXC_PF'),
            ('address', BY_RBX, 'NOT_CANONICAL', 'EXC_GP'),
            ('address on the stack', BY_RBP, 'NOT_CANONICAL', 'EXC_SS')):
        yield row(insn, what, insn.encode(mod_rm), vec, addr=addr)
    if 'w' in insn.flags:
        yield row(insn, 'page is read only', insn.encode(BY_RBX), 'EXC_PF',
                  addr='READ_ONLY')
    if insn.kind in ALIGNMENT:
        aligned = 'A' in insn.flags
        yield row(insn, 'misaligned', insn.encode(BY_RBX),
                  'EXC_GP' if aligned else 'NONE',
                  addr='VA(DATA) + %d' % (
                      ALIGNMENT[insn.kind] // 2 if aligned else 1))


def vex_rows(insn):
    for prefix in (0x66, 0xf2, 0xf3, 0x48):
        yield row(insn, 'prefix %02x' % prefix,
                  bytes([prefix]) + insn.encode(BY_RBX), 'EXC_UD')
    if '2' in insn.flags:
        code = bytearray(insn.code)
        code[1 if code[0] == 0xc5 else 2] ^= 0x08
        yield row(insn, 'VEX.vvvv', insn.encode(BY_RBX, bytes(code)), 'EXC_UD')


def rows(insn):
    memory = 'm' in insn.flags or 'M' in insn.flags
    usual = insn.encode(BY_RBX if memory else REG)
    if 'r' in insn.flags:
        yield row(insn, 'register', insn.encode(REG), 'NONE')
    elif 'U' in insn.flags:
        yield row(insn, 'register', insn.encode(REG), 'EXC_UD')
    if memory or insn.reg is None:
        yield row(insn, 'plain', usual, 'NONE')
    yield row(insn, 'LOCK', b'\xf0' + usual,
              'NONE' if 'L' in insn.flags else 'EXC_UD')
    if 'L' in insn.flags and 'r' in insn.flags:
        yield row(insn, 'LOCK, register', b'\xf0' + insn.encode(REG), 'EXC_UD')
    if insn.feature != '0':
        yield row(insn, 'not there', usual, 'EXC_UD', absent='true')
    for field, value, vec in CLASSES[insn.kind]:
        yield row(insn, value, usual, vec, **{field: value})
    if 'm' in insn.flags:
        yield from memory_rows(insn)
    if insn.is_vex():
        yield from vex_rows(insn)


def main():
    out = ['/* Made by gen-soft-insns.py. */']
    for line in INSNS.strip().splitlines():
        out += rows(Insn(line))
    for line in INVALID.strip().splitlines():
        name, code = (part.strip() for part in line.split(';'))
        insn = Insn('%s; %s; -; -; int; ' % (name, code))
        out.append(row(insn, 'invalid', insn.code, 'EXC_UD'))
    with open(sys.argv[1], 'w', encoding='ascii') as f:
        f.write('\n'.join(out) + '\n')


if __name__ == '__main__':
    main()
