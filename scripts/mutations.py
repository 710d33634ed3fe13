# SPDX-License-Identifier: GPL-2.0-or-later
"""Small errors that can be put into C source, one at a time.

For scripts/mutate.  A change never adds or takes a line, so that what depends
on line numbers stays as it is.
"""

import collections
import dataclasses
import random
import re

TOKEN = re.compile(r'''
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<directive>(?<![^\n])[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
''', re.VERBOSE | re.DOTALL)

OTHER = {
    '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==',
    '&&': '||', '||': '&&', '+=': '-=', '-=': '+=', '|=': '&=', '&=': '|=',
    '<<': '>>', '>>': '<<', '/': '*',
}
OTHER_BINARY = {'+': '-', '-': '+', '&': '|', '|': '&'}
OTHER_WORD = {'true': 'false', 'false': 'true'}
INTEGER = re.compile(r'(0[xX](?=[0-9a-fA-F]))?'
                     r'((?(1)[0-9a-fA-F]+|\d+))([uUlL]*)$')

# Statements whose loss other tools find: ThreadSanitizer, LeakSanitizer; and
# those that only say something to a developer.
OUT_OF_SCOPE = re.compile(r'(LOCK_GUARD|VM_LOCK_GUARD|RCU_READ_GUARD|'
                          r'lock_acquire|lock_release|vm_lock_\w+|'
                          r'(lock|cond)_(init|fini)|'
                          r'g_free|g_clear_\w+|\w+_(free|unref|fini)|'
                          r'g_?assert\w*|assert|log_\w+|trace_\w+|'
                          r'G_STATIC_ASSERT|_Static_assert|'
                          r'__atomic_thread_fence)$')
# Between instants, whether the same one counts makes no difference.
INSTANTS = re.compile(r'(now|clock_monotonic_ns|g_get_monotonic_time)$')
# Functions whose only effect is their result.
NO_EFFECT = re.compile(r'(MIN|MAX|clock_monotonic_ns|ld\w+_[bl]e_p|sizeof|'
                       r'g_(strdup|memdup2|new0?|(byte_)?array_new))$')
# An object more than is needed.
ONE_OBJECT = re.compile(r'\bg_(try_)?new0?\([^(),;]*,\s*$')
BLOCK_WORDS = {'if', 'else', 'for', 'while', 'do', 'switch', 'case',
               'default', 'typedef', 'static', 'const', 'struct', 'union',
               'enum', 'extern', 'volatile', 'register', 'unsigned', 'int'}


@dataclasses.dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self):
        return self.start + len(self.text)


@dataclasses.dataclass(frozen=True, order=True)
class Mutation:
    """Replace text[start:end] of a file by `new`."""
    path: str
    start: int
    end: int
    new: str
    kind: str = dataclasses.field(compare=False)
    line: int = dataclasses.field(compare=False)
    what: str = dataclasses.field(compare=False)
    function: str = dataclasses.field(compare=False)

    def apply(self, text):
        return text[:self.start] + self.new + text[self.end:]


def tokens_of(text):
    """The tokens of C source, without comments and directives."""
    out = []
    pos = 0
    while pos < len(text):
        match = TOKEN.match(text, pos)
        kind = match.lastgroup
        if kind not in ('skip', 'directive'):
            out.append(Token(kind, match[0], pos))
        pos = match.end()
    return out


def matching(tokens, i, opening, closing):
    """Index of the bracket that closes the one at i."""
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j].text == opening:
            depth += 1
        elif tokens[j].text == closing:
            depth -= 1
            if not depth:
                return j
    return len(tokens) - 1


def name_before(tokens, i):
    """The function whose parameters end with the parenthesis at i."""
    depth = 0
    while i > 0:
        depth += {')': 1, '(': -1}.get(tokens[i].text, 0)
        i -= 1
        if not depth:
            break
    return tokens[i].text


def bodies(tokens):
    """(name, first, last) of each function: the tokens between its braces."""
    i = 0
    while i < len(tokens):
        if tokens[i].text == '{':
            end = matching(tokens, i, '{', '}')
            if i and tokens[i - 1].text == ')':
                yield name_before(tokens, i - 1), i + 1, end
            i = end
        i += 1


def is_declaration(words):
    """Of a statement's first tokens."""
    kinds = [w.kind for w in words]
    texts = [w.text for w in words]
    if kinds[0] != 'name' or texts[0] in ('return', 'goto'):
        return False
    if len(words) > 1 and kinds[1] == 'name':
        return True
    if texts[0].startswith('g_auto'):
        return True
    stars = 1
    while stars < len(texts) and texts[stars] == '*':
        stars += 1
    return stars > 1 and stars < len(texts) and kinds[stars] == 'name'


def contains(texts, part):
    return any(texts[i:i + len(part)] == part for i in range(len(texts)))


@dataclasses.dataclass(frozen=True)
class Statement:
    first: int  # of the tokens
    last: int   # its semicolon
    depth: int  # 0: the function's own block


def statements(tokens, first, end):
    """The statements of a body that end with a semicolon."""
    start = first
    depth = paren = 0
    for i in range(first, end):
        text = tokens[i].text
        if text in '([':
            paren += 1
        elif text in ')]':
            paren -= 1
        elif paren:
            continue
        elif text == '{':
            depth += 1
            start = i + 1
        elif text == '}':
            depth -= 1
            start = i + 1
        elif text == ':' and tokens[start].text in ('case', 'default'):
            start = i + 1
        elif text == ';':
            if i > start:
                yield Statement(start, i, depth)
            start = i + 1


class Finder:
    """All the changes that one file offers."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.tokens = tokens_of(text)
        self.found = []
        self.function = ''
        self.known = collections.Counter()

    def add(self, kind, start, end, new, what):
        """Note a change of a name that no other in its function has."""
        line = self.text.count('\n', 0, start) + 1
        key = self.function, what
        self.known[key] += 1
        if self.known[key] > 1:
            what += f' (#{self.known[key]})'
        self.found.append(Mutation(self.path, start, end, new, kind, line,
                                   what, self.function))

    def source(self, first, last):
        raw = self.text[self.tokens[first].start:self.tokens[last].end]
        return re.sub(r'\s+', ' ', raw)

    def all(self):
        for self.function, first, end in bodies(self.tokens):
            skipped = self.find_statements(first, end)
            for i in range(first, end):
                if i not in skipped:
                    self.find_token(i)
        return self.found

    def find_statements(self, first, end):
        """Drops and swaps; returns the tokens that are out of scope."""
        skipped = set()
        before = None
        for st in statements(self.tokens, first, end):
            words = self.tokens[st.first:st.last + 1]
            head = words[0].text
            if OUT_OF_SCOPE.match(head):
                skipped.update(range(st.first, st.last + 1))
                before = None
                continue
            if head in BLOCK_WORDS or is_declaration(words[:8]):
                skipped.update(self.array_sizes(st))
                before = None
                continue
            if not (head == 'return' and st.depth == 0):
                start, stop = words[0].start, words[-1].end
                # What is dropped may have been of several lines.
                lines = '\n' * self.text.count('\n', start, stop)
                self.add('drop', start, stop, ';' + lines,
                         f"drop '{self.source(st.first, st.last)}'")
            if head in ('return', 'break', 'continue', 'goto'):
                before = None
                continue
            if before and before.last + 1 == st.first:
                self.swap(before, st)
            before = st
        return skipped

    def array_sizes(self, st):
        """Tokens of a declaration's bounds: a byte more changes nothing."""
        i = st.first
        while i < st.last and self.tokens[i].text not in '=({':
            if self.tokens[i].text == '[':
                end = matching(self.tokens, i, '[', ']')
                yield from range(i, end + 1)
                i = end
            i += 1

    def assignment(self, st):
        """(what is assigned to, what that hangs on) as lists of tokens, if no
        call in the statement does more."""
        texts = [t.text for t in self.tokens[st.first:st.last]]
        if texts[:2] == ['memset', '('] and texts.count('(') == \
                1 + texts.count('sizeof') and ',' in texts:
            at = texts.index(',')
            return texts[3 if texts[2] == '&' else 2:at], []
        if texts[-1] in ('++', '--'):
            return texts[:-1], texts[:-1]
        calls = [a for a, b in zip(texts, texts[1:]) if b == '(']
        if not all(NO_EFFECT.match(c) for c in calls) or \
                '++' in texts or '--' in texts or texts.count('=') != 1:
            return None
        at = texts.index('=')
        return texts[:at], texts[at + 1:]

    def independent(self, a, b):
        """Two plain assignments whose order makes no difference."""
        one, two = self.assignment(a), self.assignment(b)
        return bool(one and two) and not any(
            contains(two[i], one[0]) or contains(one[i], two[0])
            for i in (0, 1))

    def swap(self, a, b):
        start, end = self.tokens[a.first].start, self.tokens[b.last].end
        one, two = (self.text[self.tokens[s.first].start:
                              self.tokens[s.last].end] for s in (a, b))
        if one == two or '\n' in one or '\n' in two or \
                self.independent(a, b):
            return
        gap = self.text[self.tokens[a.last].end:self.tokens[b.first].start]
        self.add('swap', start, end, two + gap + one,
                 f"swap '{one}' and '{two}'")

    def find_token(self, i):
        token = self.tokens[i]
        text = token.text
        if text in ('if', 'while') and self.tokens[i + 1].text == '(':
            self.negate(i + 1)
        elif text in OTHER_WORD:
            self.replace('constant', token, OTHER_WORD[text])
        elif token.kind == 'number':
            self.number(token)
        elif text in OTHER and not self.compares_instants(i):
            self.replace('operator', token, OTHER[text])
        elif text in OTHER_BINARY and self.is_binary(i):
            self.replace('operator', token, OTHER_BINARY[text])

    def compares_instants(self, i):
        """Of a < b, where a or b is the time."""
        if self.tokens[i].text not in ('<', '<=', '>', '>='):
            return False
        left = self.tokens[i - 1].text
        if left == ')':  # of a call
            left = self.tokens[i - 3].text
        return bool(INSTANTS.match(left) or
                    INSTANTS.match(self.tokens[i + 1].text))

    def is_binary(self, i):
        before = self.tokens[i - 1]
        return (before.kind in ('name', 'number') and
                before.text not in ('return', 'case')) or (
                    before.text == ']' or
                    before.text == ')' and not self.is_cast(i - 1))

    def is_cast(self, i):
        """Of a closing parenthesis: (Type *) or (uint64_t)."""
        before = self.tokens[i - 1]
        return before.text == '*' or (self.tokens[i - 2].text == '(' and
                                      before.kind == 'name' and
                                      before.text.endswith('_t'))

    def negate(self, i):
        last = matching(self.tokens, i, '(', ')')
        cond = self.text[self.tokens[i].start:self.tokens[last].end]
        start, end = self.tokens[i].start, self.tokens[last].end
        self.add('negate', start, end, f'(!{cond})',
                 f"negate '{self.source(i, last)}'")

    def replace(self, kind, token, new):
        self.add(kind, token.start, token.end, new,
                 f"'{token.text}' -> '{new}' in '{self.line_at(token)}'")

    def line_at(self, token):
        start = self.text.rfind('\n', 0, token.start) + 1
        end = self.text.find('\n', token.start)
        return self.text[start:end].strip()

    def number(self, token):
        match = INTEGER.match(token.text)
        before = self.text[:token.start]
        if not match or ONE_OBJECT.search(before[-80:]):
            return
        prefix, digits, suffix = match.groups()
        octal = not prefix and len(digits) > 1 and digits[0] == '0'
        val = int(digits, 16 if prefix else 8 if octal else 10)
        form = hex if prefix else oct if octal else str
        for other in (val + 1, val - 1):
            if other >= 0:
                text = form(other).replace('0o', '0') + suffix
                self.replace('constant', token, text)


def find(path, text):
    """All changes of a file, in their order there."""
    return sorted(Finder(path, text).all())


def choose(found, count, seed):
    """A sample in which each kind has the same share, in source order."""
    rng = random.Random(seed)
    kinds = {}
    for mutation in sorted(found):
        kinds.setdefault(mutation.kind, []).append(mutation)
    for of_kind in kinds.values():
        rng.shuffle(of_kind)
    out = []
    while len(out) < count and any(kinds.values()):
        for kind in sorted(kinds):
            if kinds[kind] and len(out) < count:
                out.append(kinds[kind].pop())
    return sorted(out)
