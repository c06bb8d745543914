"""Names and other texts. After docs/src/wire.md, "Names"."""

import unicodedata


def characters(*numbers_and_ranges):
    all_ = (n if isinstance(n, range) else [n] for n in numbers_and_ranges)
    return {chr(n) for numbers in all_ for n in numbers}


CONTROL = characters(range(0x20), range(0x7F, 0xA0))
SPACES = characters(0x20, 0xA0, 0x1680, range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
INVISIBLE = characters(
    0xAD, 0x61C, 0x200B, 0x200E, 0x200F, range(0x2028, 0x202F), range(0x2060, 0x2065),
    range(0x2066, 0x206A), 0xFEFF,
)  # fmt: skip
# The Unicode property White_Space; Python's own idea of it differs.
WHITE = "".join(SPACES | characters(range(0x09, 0x0E), 0x85, 0x2028, 0x2029))


def name_verdict(text):
    """`ok`, or the first rule that is broken."""
    if not set(text) - SPACES:
        return "empty"
    if len(text) > 64:
        return "too_long"
    if set(text) & (CONTROL | INVISIBLE):
        return "control"
    if set(text) & {"/", ":"}:
        return "separator"
    if text[0] in SPACES or text[-1] in SPACES:
        return "edge"
    return "ok"


def normal_form(text):
    """Depends on the version of Unicode, and decides only what is shown and what is signed."""
    return unicodedata.normalize("NFC", text)


def typed(text):
    """The name that a typed text becomes, or None."""
    name = normal_form(text.strip(WHITE))
    return name if name_verdict(name) == "ok" else None
