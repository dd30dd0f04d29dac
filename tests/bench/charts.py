# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bar charts of docs/measurements.md."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.sax.saxutils import escape

from tests.bench.text import minutes

OWN, OTHER = "#0f766e", "#b45309"


def chart(bars: Sequence[tuple[str, float]], others: Collection[int] | None = None) -> str:
    """A bar chart in SVG; the bars are seconds, drawn to one scale.

    C(others) are the positions of the bars in the second colour: the last one unless given.
    """
    width, left, bar, gap = 760, 330, 26, 16
    height = gap + len(bars) * (bar + gap)
    longest = max(seconds for _label, seconds in bars)
    second = {len(bars) - 1} if others is None else others
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{escape('; '.join(f'{label}: {minutes(seconds)}' for label, seconds in bars))}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for at, (label, seconds) in enumerate(bars):
        top = gap + at * (bar + gap)
        long = max(2.0, (width - left - 110) * seconds / longest)
        middle = top + bar / 2 + 5
        lines += [
            f'<text x="{left - 10}" y="{middle:g}" text-anchor="end" fill="#1f2937">{escape(label)}</text>',
            f'<rect x="{left}" y="{top}" width="{long:.1f}" height="{bar}" rx="3" '
            f'fill="{OTHER if at in second else OWN}"/>',
            f'<text x="{left + long + 8:.1f}" y="{middle:g}" fill="#1f2937">{minutes(seconds)}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
