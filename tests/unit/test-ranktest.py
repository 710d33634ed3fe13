# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/bench/ranktest.py: the figures of printed tables, and its limits."""

import sys
import unittest

import scripttest

sys.path.insert(0, str(scripttest.TOP / 'tests' / 'bench'))

# pylint: disable=wrong-import-position
import ranktest  # noqa: E402


class Ranks(unittest.TestCase):
    def test_ranks(self):
        for values, expected in [
                ([3, 1, 2], [3, 1, 2]),
                ([5, 5], [1.5, 1.5]),
                ([1, 2, 2, 2, 9], [1, 3, 3, 3, 5]),
                ([], [])]:
            with self.subTest(values):
                self.assertEqual(ranktest.ranks(values), expected)

    def test_statistic(self):
        self.assertEqual(ranktest.u_statistic([1, 2], [3, 4, 5]), 0)
        self.assertEqual(ranktest.u_statistic([9, 8], [3, 4, 5]), 6)
        self.assertEqual(ranktest.u_statistic([1, 4], [2, 3]), 2)
        self.assertEqual(ranktest.u_statistic([7], [7]), 0.5)


class Exact(unittest.TestCase):
    def test_counts_are_complete(self):
        for n, m, total in [(1, 1, 2), (3, 2, 10), (6, 6, 924)]:
            with self.subTest((n, m)):
                self.assertEqual(sum(ranktest.ways(u, n, m)
                                     for u in range(n * m + 1)), total)

    def test_smallest(self):
        self.assertAlmostEqual(
            ranktest.p_value([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 2 / 252)
        self.assertAlmostEqual(
            ranktest.p_value([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]), 2 / 252)

    def test_critical_values(self):
        """Of the usual table for two sides and 0.05."""
        for n, m, critical in [(5, 5, 2), (6, 5, 3), (8, 8, 13), (10, 10, 23),
                               (12, 7, 18), (20, 20, 127)]:
            with self.subTest((n, m)):
                self.assertLessEqual(ranktest.exact_p(critical, n, m), 0.05)
                self.assertGreater(ranktest.exact_p(critical + 1, n, m),
                                   0.05)


class Approximate(unittest.TestCase):
    def test_near_the_exact_one(self):
        a = list(range(0, 40, 2))
        b = [x + 7 for x in range(0, 40, 2)]
        u = ranktest.u_statistic(a, b)
        self.assertAlmostEqual(ranktest.normal_p(u, a, b),
                               ranktest.exact_p(u, 20, 20), places=2)

    def test_ties(self):
        self.assertEqual(ranktest.p_value([4] * 6, [4] * 6), 1.0)
        self.assertLess(ranktest.p_value([1, 1, 2, 2, 1, 2, 1, 1],
                                         [8, 9, 9, 8, 9, 8, 8, 9]), 0.01)
        self.assertGreater(ranktest.p_value([1, 2, 1, 2], [2, 1, 2, 1]), 0.9)

    def test_nothing(self):
        self.assertEqual(ranktest.p_value([], [1]), 1.0)


if __name__ == '__main__':
    scripttest.main()
