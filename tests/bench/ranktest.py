# SPDX-License-Identifier: GPL-2.0-or-later
"""The rank test of Mann and Whitney: do two samples differ in location?

H. B. Mann, D. R. Whitney, "On a test of whether one of two random variables
is stochastically larger than the other", 1947.  It asks nothing of the
distributions, which for times are skewed."""

import functools
import math

EXACT_MAX = 25      # of each sample; beyond, the normal approximation is good


def ranks(values):
    """Rank of each value, from 1; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    found = [0.0] * len(values)
    i = 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and values[order[j + 1]] == values[order[i]]:
            j += 1
        for k in range(i, j + 1):
            found[order[k]] = (i + j) / 2 + 1
        i = j + 1
    return found


def u_statistic(a, b):
    """In how many pairs a's value is the greater one; equal ones: 1/2."""
    return sum(ranks(list(a) + list(b))[:len(a)]) - len(a) * (len(a) + 1) / 2


@functools.lru_cache(maxsize=None)
def ways(u, n, m):
    """Arrangements of n and m values with that statistic."""
    if u < 0 or n < 0 or m < 0:
        return 0
    if n == 0 or m == 0:
        return int(u == 0)
    return ways(u - m, n - 1, m) + ways(u, n, m - 1)


def exact_p(u, n, m):
    low = min(u, n * m - u)
    below = sum(ways(i, n, m) for i in range(int(low) + 1))
    return min(1.0, 2 * below / math.comb(n + m, n))


def normal_p(u, a, b):
    n, m = len(a), len(b)
    total = n + m
    both = list(a) + list(b)
    ties = sum(both.count(v) ** 3 - both.count(v) for v in set(both))
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def p_value(a, b):
    """How likely so unlike samples would be if nothing made them differ;
    two-sided."""
    if not a or not b:
        return 1.0
    u = u_statistic(a, b)
    tied = len(set(a) | set(b)) < len(a) + len(b)
    if tied or max(len(a), len(b)) > EXACT_MAX:
        return normal_p(u, a, b)
    return exact_p(u, len(a), len(b))
