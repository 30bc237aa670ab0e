"""Aligned text tables."""


def number(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}"


def render(columns, rows):
    """Rows of text under column titles; all but the first align right."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    )
