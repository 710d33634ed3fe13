# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts on one machine, each with its own libvirt daemon."""

import os
import sys

# The helpers of the functional tests are ours, too.
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', '..', 'functional'))
